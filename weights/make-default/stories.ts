// Short children's stories from a seeded grammar, and for each a summary in one sentence.
//
// A story is a cast (hero, friend, elder, thing, place …) and a plot: a list of beats, each a list of alternative
// wordings. `[a|b]` chooses, `{name}` looks up the cast, `{A:thing}` adds an article. What happened stays true to the end
// of the story: the cast is drawn once. Nothing here is quoted from a book.

import { capital, pick, type Random, sample, withArticle } from "./draw.ts";

export const girls = ["Lily", "Mia", "Anna", "Rosa", "Ella", "Nora", "Ruby", "Clara"];
export const boys = ["Tom", "Ben", "Max", "Leo", "Sam", "Jack", "Finn", "Theo"];
/** Kind of animal → the name of a she and of a he. */
const beasts: Record<string, [string, string]> = {
  rabbit: ["Clover", "Pip"],
  fox: ["Maple", "Rusty"],
  mouse: ["Dot", "Crumb"],
  bear: ["Honey", "Bruno"],
  squirrel: ["Hazel", "Acorn"],
  hedgehog: ["Poppy", "Spike"],
  duck: ["Daisy", "Puddle"],
  frog: ["Fern", "Hopper"],
  owl: ["Luna", "Hoot"],
  otter: ["Pearl", "Pebble"],
};
export const animals = [
  "bear",
  "duck",
  "fox",
  "frog",
  "hedgehog",
  "mouse",
  "otter",
  "owl",
  "rabbit",
  "squirrel",
  "deer",
  "badger",
  "goat",
  "beaver",
];
const small = ["bird", "kitten", "puppy", "mouse", "rabbit", "duckling", "lamb", "chick"];
const adjectives = ["little", "kind", "curious", "brave", "quiet", "cheerful", "clever", "gentle", "playful", "young"];
export const colors = ["red", "blue", "green", "yellow", "white", "golden", "purple", "orange"];
export const things = [
  "kite",
  "ball",
  "drum",
  "boat",
  "scarf",
  "bell",
  "lantern",
  "wooden horse",
  "music box",
  "teddy bear",
  "picture book",
  "umbrella",
];
export const places = [
  "garden",
  "forest",
  "meadow",
  "park",
  "old orchard",
  "river bank",
  "beach",
  "farm",
  "market",
  "pond",
];
const homes = [
  "a small village",
  "a cozy cottage",
  "a little house by the sea",
  "a house on a hill",
  "a quiet town",
  "a red house near the forest",
  "a tall house with a red roof",
  "a cabin by the lake",
];
const dens = [
  "a hollow tree",
  "a burrow under the oak",
  "a nest of soft leaves",
  "a snug den by the stream",
  "a little house under the roots",
];
const hiding = [
  "under an old bench",
  "behind a big rock",
  "in the tall grass",
  "under a pile of leaves",
  "between two roots of the oak tree",
  "behind the garden gate",
  "next to a bush full of berries",
  "inside a hollow log",
];
export const foods = [
  "apple pie",
  "honey cake",
  "berry jam",
  "warm bread",
  "vegetable soup",
  "pancakes",
  "cookies",
  "cheese sandwiches",
  "plum tart",
  "oat biscuits",
];
const cakes = [
  "apple pie",
  "honey cake",
  "pancakes",
  "cookies",
  "plum tart",
  "oat biscuits",
  "gingerbread",
  "berry muffins",
  "a birthday cake",
];
const ingredients = ["flour", "honey", "milk", "sugar", "butter", "eggs", "apples", "berries", "salt", "cinnamon"];
const plants = [
  "sunflower",
  "pumpkin",
  "apple tree",
  "tomato plant",
  "rose bush",
  "bean plant",
  "strawberry plant",
  "cherry tree",
];
const weather = ["sunny", "windy", "warm", "bright", "cool", "cloudy", "clear", "mild", "frosty", "golden"];
const placesIn: Record<string, string> = { beach: "on", farm: "on", "river bank": "on", market: "at", pond: "at" };

const openings = [
  "Once upon a time, there was {a:adj} {hero_kind} named {hero}. {Hero} lived in {home} with {his} {elder}.",
  "Once upon a time, in {home}, there lived {a:adj} {hero_kind} named {hero}.",
  "Once upon a time, there was {a:adj} and {adj2} {hero_kind} called {hero}. {He} lived in {home}.",
  "Once upon a time, {a:hero_kind} named {hero} lived in {home}. {He} was {adj} and {adj2}, and {he} loved to play {at}.",
  "Once there was {a:adj} {hero_kind} whose name was {hero}. [Every day|Every morning], {he} [played|went for a walk|sang a song] {at}.",
  "There once was {a:adj} {hero_kind} named {hero} who lived in {home}. {His} best friend was {a:friend_kind} named {friend}.",
  "{Hero} was {a:adj} {hero_kind} who lived in {home}. {He} loved [stories|music|long walks|{food}|the sound of the rain] very much.",
  "In {home}, there lived {a:adj} {hero_kind} named {hero}. Everyone knew {him}, because {he} was so {adj2}.",
  "There was {a:adj} {hero_kind} named {hero}, who [liked to get up early|asked a lot of questions|loved to sing|was never bored].",
  "Long ago, {a:adj} {hero_kind} named {hero} lived in {home} with {his} {elder}.",
];
const endings = [
  "From that day on, {hero} and {friend} were [the best of friends|always together|never bored again].",
  "That night, {hero} [fell asleep with a smile|went to bed happy|slept very well]. It had been a [wonderful|lovely|perfect] day.",
  "And {hero} never forgot that day.",
  "{Hero} smiled. It was the best day of the whole [week|month|summer|year].",
  "And they all lived happily ever after.",
  "When the sun went down, they walked home together, singing a little song.",
  '"What a day!" said {hero}, and {his} {elder} gave {him} a big hug.',
];

/** Beats of each plot; each beat: alternative wordings. */
const plots: Record<string, string[][]> = {
  "lost thing": [
    [
      "{Hero} had {a:color} {thing}. It was a gift from {his} {elder}, and {he} took it everywhere.",
      "More than anything else, {hero} loved {his} {color} {thing}. {His} {elder} had made it for {him}.",
      "For {his} birthday, {hero} got {a:color} {thing} from {his} {elder}. {He} was so proud of it.",
    ],
    [
      "One {weather} {when}, {he} took the {thing} to play {at}. [But when it was time to go home|But after lunch|But when {he} looked around], the {thing} was gone! {Hero} [looked everywhere|felt like crying|did not know what to do].",
      'One {when}, {hero} was playing {at} and put the {thing} down for a moment. When {he} came back, it was not there. "Oh no!" cried {hero}. "Where is my {thing}?"',
    ],
    [
      '{Hero} ran to {friend}, {his} friend. "I lost my {thing}," {he} said. "Will you help me?" "Of course," said {friend}. "Let us look together."',
      '{Friend} saw that {hero} was sad. "What is wrong?" {f_he} asked. "My {color} {thing} is lost," said {hero}. "Do not worry," said {friend}. "Two can look better than one."',
    ],
    [
      'They looked {hiding}, but it was not there. They asked {a:helper}, but the {helper} had not seen it. Then {friend} looked {hiding2}. "[Here it is|I see something {color}|Look]!" {f_he} [cried|called|shouted].',
      'First they looked {hiding}. They found {a:color2} {thing2}, but no {thing}. Then {a:helper} came by. "I saw something {color} {hiding2}," it said. They ran there as fast as they could, and there was the {thing}!',
    ],
    [
      '{Hero} was so happy that {he} [danced|jumped up and down|laughed out loud]. "Thank you, {friend}," {he} said. "Now we can both play with it."',
      '{Hero} hugged the {thing} and then {he} hugged {friend}. "You are a good friend," {he} said. And {he} let {friend} carry the {thing} all the way home.',
    ],
  ],
  "a small animal in trouble": [
    [
      'One {weather} {when}, {hero} was walking {at} when {he} heard a small sound. "Help!" said a tiny voice. It was a little {small}. It was stuck {hiding}.',
      "One {when}, {hero} and {friend} were playing {at}. Suddenly they heard someone crying. They found a little {small} {hiding}. It could not get out.",
    ],
    [
      '"Do not be afraid," said {hero}. "I will help you." {He} pulled and pulled, but the {small} was still stuck. "I am not strong enough," {he} said. So {he} [ran to get|called for] {friend}.',
      '"Poor little {small}," said {hero}. "We must be very gentle." {He} thought for a while. Then {he} had an idea and went to get {friend}.',
    ],
    [
      "Together they [lifted the heavy branch|pushed the stone away|made a small path with a stick]. One, two, three! The {small} was free.",
      "{Friend} held the branch, and {hero} reached in with both hands. Slowly, slowly, the {small} came out. It was safe.",
    ],
    [
      '"Thank you!" said the {small}. "One day I will help you too." {Hero} laughed. How could such a small {small} help anyone?',
      'The {small} was hungry, so {hero} gave it some {food}. It ate every crumb. "You are very kind," it said.',
    ],
    [
      'But the next day, {hero} lost {his} way {at2}. It grew dark, and {he} was scared. Then the little {small} came. "Follow me," it said. "I know the way." And it led {him} safely home.',
      'A week later, {hero} dropped {his} {thing} {at2} and could not find it. The little {small} saw it first. "Here it is," it said. "You helped me, and now I help you."',
    ],
    [
      "{Hero} learned that [even a small friend can be a great help|kindness always comes back|no one is too small to help].",
    ],
  ],
  afraid: [
    [
      "There was only one problem. {Hero} was afraid of [the dark|thunder|deep water|high places|big dogs]. When {his} friends played, {he} often stayed behind.",
      "{Hero} was brave about most things, but {he} was afraid of [the dark|the wind at night|loud noises|the old bridge]. {He} did not tell anyone.",
    ],
    [
      'One day, {friend} came to the door. "Come and play with me {at}," said {friend}. {Hero} shook {his} head. "I can\'t," {he} said in a small voice. "I am scared."',
      'One {when}, {friend} asked {him} to come along on a trip. {Hero} wanted to go, but {his} legs began to shake. "What is the matter?" asked {friend}. "I am afraid," said {hero}.',
    ],
    [
      '{Friend} did not laugh. "I was afraid once too," {f_he} said. "My {elder} told me to [take a deep breath|count to three|hold a friend\'s hand] and try one small step."',
      '{His} {elder} sat down next to {him}. "Being brave does not mean you are never afraid," {e_he} said. "It means you try, even when you are."',
    ],
    [
      "So {hero} took a deep breath. {He} took one small step, and then another. {Friend} held {his} hand. Nothing bad happened. It was even a little bit fun.",
      '{Hero} closed {his} eyes and counted to three. Then {he} tried. At first {his} heart beat fast. Then it beat slower. "I am doing it!" {he} cried.',
    ],
    [
      'After that, {hero} was not so afraid anymore. And when someone else was scared, {he} said, "Take my hand. We can try together."',
      '"You did it!" said {friend}. {Hero} felt as tall as a tree. {He} was proud of {himself}.',
    ],
  ],
  baking: [
    [
      "One {weather} {when}, {hero} wanted to make {cake}. {He} took out a big bowl and a wooden spoon. But there was no {need} in the kitchen.",
      'It was a {weather} {when}, and {hero} was hungry. "Let us make {cake}," said {his} {elder}. But when they looked, there was no {need} left.',
    ],
    [
      'So {hero} went to ask {friend}. "Do you have some {need}?" {he} asked. "Yes," said {friend}, "but I have no one to play with. May I come and help?" "Of course!" said {hero}.',
      '"I will go to the market and get some," said {hero}. On the way, {he} met {friend}. "I have plenty of {need} at home," said {friend}. "Take some of mine."',
    ],
    [
      "They washed their hands and put everything in the bowl. {Hero} stirred, and {friend} poured. Soon there was [flour on the floor|flour on their noses|a mess on the table], and they laughed and laughed.",
      "They mixed and stirred until their arms were tired. Then they waited. A sweet smell filled the whole house.",
    ],
    [
      'When it was ready, it smelled wonderful. {A:helper} put its nose in at the window. "May I have some?" it asked. "There is enough for everyone," said {hero}.',
      "At last it was ready. It was warm and golden. {Hero} cut it into {number} pieces, so that everyone could have one.",
    ],
    [
      'They sat together {at} and ate until nothing was left. "It tastes best when you share it," said {friend}, and {hero} agreed.',
      "They ate and talked until the stars came out. {Hero} thought that nothing in the world could taste better.",
    ],
  ],
  broken: [
    [
      "One {when}, {hero} was running in the house, even though {his} {elder} had told {him} not to. Crash! The {color} [vase|cup|bowl|lamp] fell down and broke.",
      "One rainy {when}, {hero} was playing with a ball inside. The ball flew too high. Crash! It hit the {color} [vase|clock|cup|jar], and it broke into {number} pieces.",
    ],
    [
      '{Hero} was scared. "Maybe I can hide it," {he} thought. {He} put the pieces under the bed. But all day {he} had a bad feeling in {his} tummy.',
      "{Hero} looked at the pieces. {He} could say that the wind did it. But that would not be true.",
    ],
    [
      '{Friend} came by and saw {his} sad face. "You should tell the truth," said {friend}. "It is hard, but then you will feel better."',
      '"What should I do?" {he} asked {friend}. "Say that you are sorry," said {friend}. "I will come with you."',
    ],
    [
      'So {hero} went to {his} {elder}. "I broke it," {he} said. "I am very sorry." {His} {elder} was quiet for a moment. Then {e_he} smiled. "Thank you for telling me the truth," {e_he} said.',
      '{Hero} went to {his} {elder} and told {e_him} everything. {His} {elder} was a little sad, but {e_he} was not angry. "I am glad that you told me," {e_he} said.',
    ],
    [
      "They sat down at the table and glued the pieces together. It was not as good as new, but {hero} liked it even more.",
      'Together they fixed it with glue. Now it had a line like a little river. "Every time I see it," said {his} {elder}, "I will think of how honest you are."',
    ],
  ],
  sharing: [
    [
      'One {weather} {when}, {hero} and {friend} found {a:color} {thing} {hiding}. "It is mine!" said {hero}. "No, I saw it first!" said {friend}.',
      '{Hero} had a new {color} {thing}. {Friend} wanted to play with it too. "No," said {hero}. "It is mine."',
    ],
    [
      "They both pulled. They pulled so hard that they fell down. {Friend} began to cry, and {hero} was angry. They did not talk for the rest of the {when}.",
      "{Friend} went away and sat alone {hiding2}. {Hero} played with the {thing}, but it was not much fun alone. Soon {he} was bored.",
    ],
    [
      'A wise old {helper} saw them. "Why are you so sad?" it asked. {Hero} told the {helper} what had happened. "A thing is small," said the {helper}, "but a friend is big."',
      '{His} {elder} saw it. "What is more fun," {e_he} asked, "{a:thing} or a friend?" {Hero} thought about it for a long time.',
    ],
    [
      '{Hero} went to {friend}. "I am sorry," {he} said. "Let us take turns. You can go first." {Friend} wiped {f_his} eyes and smiled.',
      '{Hero} picked up the {thing} and ran to {friend}. "Here," {he} said. "You can play with it today, and I can play with it tomorrow." "Or we can play with it together," said {friend}.',
    ],
    [
      "And that is what they did. They played {at} until it was dark, and it was twice as much fun.",
      "So they played together all {when}. The {thing} was still the same, but the game was much better.",
    ],
  ],
  garden: [
    [
      'One spring day, {hero} found a tiny seed {hiding}. "What is it?" {he} asked {his} {elder}. "Plant it and wait," said {his} {elder}, "and you will see."',
      'In spring, {his} {elder} gave {hero} a small brown seed. "Take good care of it," {e_he} said. "Something wonderful is asleep inside."',
    ],
    [
      '{Hero} dug a little hole {at} and put the seed in. {He} gave it water every morning. But nothing happened. "Maybe it is a bad seed," said {friend}. "I will wait," said {hero}.',
      "{Hero} planted the seed and gave it water. The first day, nothing happened. The second day, nothing happened. {Hero} sang to it, just in case.",
    ],
    [
      "One night there was a big storm. The wind blew and the rain fell. {Hero} ran outside and held {his} {thing2} over the little plant until the storm was over.",
      "Then one morning there was something green! It was very small. {Hero} put stones around it, so that no one would step on it.",
    ],
    [
      "Day after day it grew. It grew as high as {his} knee. It grew as high as {his} head. In the summer it was a beautiful {plant}.",
      'The weeks went by, and the little plant grew and grew. "Look!" cried {friend} one day. "It is {a:plant}!"',
    ],
    [
      'Everyone came to see it. "How did you do that?" they asked. "I gave it water," said {hero}, "and I did not give up."',
      '{Hero} gave some of its seeds to {friend}. "Now you can grow one too," {he} said. "You only have to wait."',
    ],
  ],
  race: [
    [
      "One {weather} {when}, there was a big race {at}. {Hero} wanted to win. {Friend} wanted to win too.",
      "Every summer there was a race {at}. The prize was {a:color} {thing}. {Hero} had practiced for {number} weeks.",
    ],
    [
      '"Ready, set, go!" called the {helper}. Everyone ran. {Hero} was fast, but {friend} was faster. They ran over the bridge and around the tall tree.',
      "The {helper} rang the bell, and off they went. {Hero} ran like the wind. Soon {he} was in front. {He} could already see the end.",
    ],
    [
      'Suddenly {friend} fell down. "Ouch!" {f_he} cried. "My foot!" {Hero} looked at the finish. {He} looked at {friend}. Then {he} stopped and turned around.',
      "Then {he} heard a cry. {Friend} had fallen over a stone. {Hero} knew that {he} would lose if {he} stopped. But {he} stopped.",
    ],
    [
      '"Lean on me," said {hero}. Slowly they walked together. They were the last ones to come in, but everybody clapped and cheered for them.',
      "{Hero} helped {friend} up, and they walked to the end hand in hand. {A:small} had won the race. But no one cheered as loudly for the {small} as they did for {hero} and {friend}.",
    ],
    [
      '"I am sorry you did not win," said {friend}. "I did win," said {hero}. "I won a friend."',
      "The {helper} gave {hero} a little medal. On it were the words: For the kindest heart.",
    ],
  ],
  "rainy day": [
    [
      'It was raining. It had been raining all {when}. {Hero} looked out of the window and sighed. "There is nothing to do," {he} said.',
      "One {when}, the rain fell and fell. {Hero} could not go to play {at}. {He} was bored.",
    ],
    [
      'Then {friend} came, all wet from the rain. "Let us build something," said {friend}. They took {number} chairs, a big blanket and {a:color} {thing}.',
      '{His} {elder} gave {him} a big empty box. "What can I do with a box?" asked {hero}. "Anything you like," said {his} {elder}.',
    ],
    [
      "First it was a ship. {Hero} was the captain, and they sailed across the wide {color2} sea. Then it was a castle, and a dragon came to tea.",
      'They made a little house, and inside it was warm and dark. {Hero} lit a lamp. "We are explorers in a cave," {he} whispered. "Listen! What is that sound?"',
    ],
    [
      '"I am hungry," said the dragon, who was really {friend}. So they all had {food}. Dragons like {food} very much.',
      'It was only {his} {elder}, who brought them some {food}. "Explorers must eat," {e_he} said.',
    ],
    [
      'Suddenly it was quiet. The rain had stopped. There was a rainbow over the roof. "Shall we go out?" asked {friend}. "Not yet," said {hero}. "It is so nice in here."',
      'When the sun came out again, they did not even see it. They were much too busy. "I hope it rains tomorrow too," said {hero}.',
    ],
  ],
  "strange sound": [
    [
      "One night, {hero} woke up. There was a strange sound. Tap, tap, tap. It came from [the roof|the window|the door|the garden].",
      'One evening, when {hero} was in bed, {he} heard something. Scratch, scratch, scratch. "Who is there?" {he} whispered. No one answered.',
    ],
    [
      "{Hero} took {his} {thing} in one hand and a lamp in the other. {His} heart went boom, boom, boom. {He} went down the stairs, one step at a time.",
      '"Maybe it is a monster," thought {hero}, and {he} pulled the blanket over {his} head. But the sound did not stop. At last {he} got up to look.',
    ],
    [
      "{He} opened the door very slowly. There, in the moonlight, sat a tiny {small}. It was cold and wet. It was not a monster at all.",
      "{He} looked outside, and there it was: a little {small} with big eyes. It shivered in the cold wind.",
    ],
    [
      '"You poor thing," said {hero}. "Were you scared too?" {He} wrapped it in {a:color} blanket and gave it some warm milk.',
      '"Come in," said {hero}, and {he} made a warm bed for it in a basket. The {small} looked at {him} and closed its eyes.',
    ],
    [
      'In the morning, {his} {elder} found them both asleep by the fire. "It seems that we have a guest," {e_he} said, and smiled.',
      'The next day, {hero} told {friend} all about it. "Were you not afraid?" asked {friend}. "Only until I opened the door," said {hero}.',
    ],
  ],
  building: [
    [
      'One {weather} {when}, {hero} had a big idea. "I will build [a raft|a tree house|a little bridge|a flying machine|a boat]," {he} said. {He} got some wood, a rope and {number} nails.',
      "{Hero} wanted to build [a tree house|a raft|a snow house|a cart|a bird house]. {He} drew a plan on a big piece of paper and went to work.",
    ],
    [
      '{He} worked all day. But when {he} tried it, it fell apart. Bump! {Hero} sat on the ground with {a:color} leaf on {his} head. "I will never build anything again," {he} said.',
      "It was hard work. In the evening it was done. {Hero} was proud. But then the wind came and blew it all down.",
    ],
    [
      '{Friend} came by and looked at the plan. "It is a good plan," said {friend}. "But the rope is too short. I have a long one at home."',
      '"Do not be sad," said {friend}. "My {elder} says that the first time is only for learning. Let us try again."',
    ],
    [
      "The next morning they started again. {Friend} held the wood, and {hero} tied the rope. They worked slowly and carefully, and this time they did not hurry.",
      "So they tried again, and this time they worked together. When one was tired, the other one went on. {A:helper} helped them carry the wood.",
    ],
    [
      'At last it was ready. They held their breath. It did not fall apart! "Hooray!" they cried.',
      "When they were done, it stood strong in the wind. They painted it {color} and put {a:color2} flag on top.",
    ],
  ],
  wish: [
    [
      'One {weather} {when}, {hero} found a small {color} stone {hiding}. It was warm and it [glowed|sang|hummed] softly. "I am a wishing stone," it said. "You have one wish."',
      'One night, a star fell down from the sky and landed {at}. {Hero} ran outside to see it. "Please do not be afraid," said the star. "If you help me get home, I will give you one wish."',
    ],
    [
      "{Hero} thought and thought. {He} could wish for a mountain of {food}. {He} could wish for {a:thing} made of gold. {He} thought all day long.",
      '"What should I wish for?" {he} asked {his} {elder}. "You must look into your own heart," said {his} {elder}.',
    ],
    [
      "Then {he} saw {friend}, who was sitting alone {hiding2}. {Friend} was ill and could not go out to play. {Hero} knew what to do.",
      "On the way {he} met {friend}. {Friend} was crying, because {f_his} {small} had run away. {Hero} held the wish tight. Then {he} knew.",
    ],
    [
      '"I wish that {friend} would be happy again," said {hero}. There was a soft light, and a sound like {number} little bells.',
      '{Hero} closed {his} eyes. "I wish for {friend} to smile again," {he} said. A warm wind blew, and all the flowers moved their heads.',
    ],
    [
      'And there was {friend}, laughing and running {at}! "You had only one wish," said {friend}, "and you gave it to me?" "It was the best thing I could wish for," said {hero}.',
      "The next moment, {friend} came running with a big smile. {Hero} had no wish left, but {he} did not mind at all.",
    ],
  ],
  "lost in the woods": [
    [
      "One {weather} {when}, {hero} followed {a:color} butterfly into the forest. It flew left, and it flew right. When it was gone, {hero} did not know where {he} was.",
      "One {when}, {hero} went to pick berries. {He} went deeper and deeper into the woods. When the basket was full, {he} could not find the path.",
    ],
    [
      '"Which way is home?" {he} asked {a:helper}. "I do not know," said the {helper}, "but the {small} is very clever. Ask the {small}."',
      'It was very quiet. The trees were tall and dark. {Hero} wanted to cry, but then {he} saw {a:helper} and {a:small}. "Excuse me," {he} said. "I am lost."',
    ],
    [
      '"Do you hear the water?" said the {small}. "The river goes past your house. Follow it, and you will be home before dark."',
      '"Look up," said the {small}. "The sun goes down behind your hill. Walk toward the light, and do not stop."',
    ],
    [
      "{Hero} said thank you and gave them [some berries|a piece of bread|a bit of cake]. Then {he} walked and walked. {He} went over a log and under a bush.",
      'So {hero} walked that way. {He} was tired, but {he} did not stop. "One more step," {he} told {himself}, "and one more."',
    ],
    [
      'And there was {his} {elder}, standing at the gate with a lantern! "I was so worried," {e_he} said. "I am here now," said {hero}.',
      "Then {he} saw a light. It was home! {Friend} and {his} {elder} were looking for {him}. They had warm {food} on the table.",
    ],
  ],
  "new friend": [
    [
      "One day, a new family moved in next door. They had {a:friend_kind} named {friend}. {Friend} was very shy and did not talk to anyone.",
      "One {weather} {when}, {hero} saw someone new {at}. It was {friend}. {Friend} sat alone {hiding} and looked at {f_his} feet.",
    ],
    [
      '"Hello," said {hero}. "Do you want to play?" {Friend} did not say a word. {F_he} only shook {f_his} head and went away.',
      "{Hero} wanted to say hello, but {he} was a little shy too. So {he} smiled and waved. {Friend} looked away.",
    ],
    [
      '{Hero} asked {his} {elder} what to do. "Give {f_him} time," said {his} {elder}. "Some friends come slowly, like a cat."',
      "The next day, {hero} had an idea. {He} put {a:color} {thing} next to {friend} and sat down to play with {a:color2} {thing2}. {He} did not say anything.",
    ],
    [
      'The next day, {hero} brought some {food} and put half of it next to {friend}. After a while, {friend} took a bite. "It is good," {f_he} said, very quietly.',
      'After a while, {friend} came a little closer. Then a little more. "I have {a:thing} too," {f_he} whispered. "Do you want to see it?"',
    ],
    [
      "It turned out that {friend} knew {number} funny songs and could [whistle like a bird|stand on {f_his} hands|draw anything]. They laughed so much that their tummies hurt.",
      "After that they met every day. {Friend} was not shy anymore. {F_he} talked and talked, and {hero} loved to listen.",
    ],
  ],
  surprise: [
    [
      'It was {his} birthday, but no one said a word. {His} {elder} was busy. {Friend} had no time. {Hero} was sad. "Everybody forgot," {he} thought.',
      'Tomorrow was the birthday of {friend}. {Hero} wanted to give {f_him} something special, but {he} had no money. "What can I do?" {he} asked.',
    ],
    [
      '{He} went for a walk {at}. {A:helper} hurried past with something {color} under its arm. "What is that?" asked {hero}. "Oh, nothing, nothing," said the {helper}.',
      "{He} walked up and down {at} and thought. {He} saw shells and stones and {color} feathers. And then {he} had an idea.",
    ],
    [
      "When {he} came home, the house was dark and quiet. {Hero} opened the door. Something moved behind the table.",
      "All night {hero} worked. {He} cut, and {he} glued, and {he} painted. In the morning it was ready, and {he} hid it {hiding}.",
    ],
    [
      '"Surprise!" they all shouted. There was {friend}, and there was {his} {elder}. There were balloons and {food}, and a big {color} {thing} with a ribbon.',
      '"Surprise!" cried {hero}, and there it was: {a:color} {thing} made of a hundred little pieces. No one else in the world had one like it.',
    ],
    [
      '"You did not forget!" said {hero}. "How could we forget you?" said {friend}. And they danced until their feet were tired.',
      '"You made this for me?" asked {friend}, and {f_his} eyes were shining. "It is the best present I ever got."',
    ],
  ],
  "treasure map": [
    [
      'One {weather} {when}, {hero} found an old map {hiding}. On the map was {a:color} cross. "It is a treasure map!" {he} cried, and {he} ran to get {friend}.',
      'In an old book, {hero} found a piece of paper. It was a map. "Look, {friend}," {he} said. "There must be a treasure {at}."',
    ],
    [
      "The map said: Go {number} steps from the old well. They counted the steps out loud. Then it said: Look where the {small} sleeps.",
      "They took a rope, a lamp and some {food}, because you never know. Then they followed the line on the map, over the bridge and past the {place2}.",
    ],
    [
      '{A:helper} was sitting there. "You may pass," it said, "if you can tell me this: What gets bigger the more you share it?" They thought hard. "Happiness!" said {hero}. The {helper} smiled and let them pass.',
      'The last part of the way was hard. They had to climb, and {friend} was tired. "Should we turn back?" asked {hero}. "Never," said {friend}.',
    ],
    [
      "They dug and dug. Clunk! There was a small {color2} box. Inside there was no gold. There was {a:thing}, and a letter.",
      "And there, {hiding2}, was a little box. {Hero} opened it. Inside was {a:color2} {thing} and a letter.",
    ],
    [
      'The letter was from {his} {elder}. "The real treasure," it said, "is the friend who came with you." {Hero} and {friend} looked at each other and laughed.',
      '"Whoever finds this," it said, "may keep it. But put something new in the box, so that the next child can find a treasure too." And so they did.',
    ],
  ],
  "showing off": [
    [
      '{Hero} could [run very fast|jump very high|sing very loudly|climb very well], and {he} told everyone about it. "I am the best," {he} said. "No one is as good as I am."',
      '{Hero} had a new {color} {thing}, and {he} was very proud of it. "Mine is better than yours," {he} said to everyone {at}.',
    ],
    [
      'At first the others listened. After a while, they went away. Only {friend} stayed. "Why do they go?" asked {hero}.',
      '{Friend} was sad about that. "I like you," {f_he} said, "but I do not like it when you say such things."',
    ],
    [
      "The next {when}, {hero} wanted to show what {he} could do. {He} did not look where {he} was going. Splash! {He} fell into the pond.",
      "{Hero} only laughed. {He} ran ahead, looked back over {his} shoulder, and fell right into the mud.",
    ],
    [
      '"Help!" {he} cried. The others came at once. The {helper} held a stick, and {friend} held the {helper}, and they pulled {him} out.',
      "Nobody laughed. {Friend} gave {him} a hand, and the {small} brought a dry blanket. {Hero} was ashamed.",
    ],
    [
      '"Thank you," said {hero}, wet from head to toe. "You are all better than I am at one thing. You are better friends." "You can learn that too," said {friend}. And {he} did.',
      '"I am sorry," said {hero}. "I talked too much and I did not listen." After that day, {he} asked the others what they could do, and it was quite a lot.',
    ],
  ],
  moon: [
    [
      'One {weather} night, {hero} looked up at the moon. It was round and bright. "I wish I could hold it," {he} said to {friend}. "Just once."',
      '{Hero} could not sleep. The moon was shining through the window. "Hello, moon," {he} whispered. "Are you lonely up there?"',
    ],
    [
      "The next {when}, they climbed the highest hill. The moon was still far away. They climbed the highest tree. The moon was still too far.",
      '"We need a long ladder," said {friend}. They tied {number} ladders together, but the moon was much, much higher than that.',
    ],
    [
      '{A:helper} sat on a stone and watched them. "You do not have to go up to the moon," it said. "The moon can come down to you." And it gave {hero} a bowl of water.',
      '{Hero} went to {his} {elder}. "No one can reach the moon," {e_he} said, "but I will show you a trick." And {e_he} put a bowl of water in the grass.',
    ],
    [
      "{Hero} looked into the bowl. There it was! A small round moon was swimming in the water. {He} held the bowl very still.",
      'They waited until the water was quiet. And there, in the middle of the bowl, was the moon. "It came to us!" whispered {friend}.',
    ],
    [
      '"Good night, moon," said {hero}, and {he} carried it carefully all the way home.',
      "They sat next to it until their eyes closed. And high above them, the real moon seemed to smile.",
    ],
  ],
  snow: [
    [
      'One winter morning, everything was white. "It snowed!" cried {hero}. {He} put on {his} {color} hat and ran outside.',
      'It was the first snow of the year. {Hero} pressed {his} nose against the window. "Come out!" called {friend}. "It is wonderful!"',
    ],
    [
      '{Hero} and {friend} made a snowman. It had {number} buttons and {a:color2} scarf. But something was missing. "It looks sad," said {friend}.',
      'They rolled a big ball of snow and put a small one on top. "Now we have a snowman," said {hero}. "But he has no nose."',
    ],
    [
      "They looked {hiding}, but there was only snow. {A:small} came by with a carrot. It was its lunch. It looked at the carrot, and it looked at the snowman.",
      'Then they met a hungry {small}. "I can find you a nose," it said, "if you find me something to eat." So {hero} gave it some {food}, and it came back with a carrot.',
    ],
    [
      '"Here," said the {small}. "Now he can smell the winter." The snowman seemed to smile, and everybody was happy.',
      'Now the snowman had a fine long nose. "He is the most handsome snowman in the world," said {friend}.',
    ],
    [
      'When spring came, the snowman was gone. Only his hat was left. "He will come back," said {hero}. "And we will be here."',
      "Then they went inside, where it was warm, and {his} {elder} had made {food} for everyone.",
    ],
  ],
  song: [
    [
      "{Hero} loved to sing, but only when no one could hear. One {weather} {when}, {he} sang a little song {at}. {He} did not know that {a:small} was listening.",
      "One {when}, {hero} heard a beautiful song {at}. It was so soft that {he} could not hear where it came from.",
    ],
    [
      "The song was so nice that the {small} began to hum along. Then {a:helper} came, and it hummed too. Soon there were {number} of them.",
      "{Hero} followed the sound. {He} looked {hiding}. {He} looked {hiding2}. There sat {a:small}, and it was singing with its eyes closed.",
    ],
    [
      'When {hero} saw them, {he} stopped at once, and {his} face turned red. "Please do not stop," said the {small}. "It was so lovely."',
      '"That was beautiful," said {hero}. The {small} was startled. "I only sing when I am alone," it said. "I am too shy."',
    ],
    [
      'Just then {friend} came with a [drum|flute|whistle|bell]. "You sing, and I will play," said {friend}. {Hero} took a deep breath and began again.',
      '"We could sing together," said {hero}. "Then you are not alone, and you do not have to be shy." {Friend} came too, and they all sang together.',
    ],
    [
      "They sang until the stars came out. And in all the houses, people opened their windows to listen.",
      "From then on, there was a song {at} every evening, and anyone who wanted to could sing along.",
    ],
  ],
  trip: [
    [
      "One {weather} {when}, {hero} and {his} {elder} packed a basket. They put in {food}, a blanket and {a:color} {thing}. They were going to [the sea|the lake|the mountains|the river].",
      '"Today we go on a trip," said {his} {elder}. {Hero} jumped out of bed. {Friend} could come along too. They took the {color} {thing} and a lot of {food}.',
    ],
    [
      'The way was long. "Are we there yet?" asked {hero}. "Not yet," said {his} {elder}. They sang a song, and they counted {number} {color2} birds.',
      'On the way they saw {a:helper} and {a:small}. "Where are you going?" asked the {small}. "Far away," said {hero} proudly.',
    ],
    [
      "When they got there, they ran to the water. It was cold! {Hero} put in one foot and laughed. They built a big castle with {number} towers.",
      "At last they were there. The water was shining in the sun. {Hero} had never seen anything so big and so blue.",
    ],
    [
      'Then a big wave came and took the {thing} away. "Oh no!" cried {hero}. But {his} {elder} walked into the water and caught it just in time.',
      "After lunch, dark clouds came. They hid in a little cave and waited. {Hero} told a story, and soon the rain was over.",
    ],
    [
      "On the way home, {hero} was so tired that {his} {elder} had to carry {him}. In {his} pocket there was one small {color2} shell.",
      '"Can we come back?" asked {hero}. "Yes," said {his} {elder}. "The water will wait for you."',
    ],
  ],
};

const changes = [
  "color",
  "color2",
  "thing",
  "thing2",
  "place",
  "place2",
  "at",
  "at2",
  "hiding",
  "hiding2",
  "food",
  "cake",
  "need",
  "plant",
  "weather",
  "when",
  "number",
];
const links = [
  "The next {when}, {hero} had another adventure.",
  "Some days later, {hero} was out again.",
  "A week went by.",
  "Then came another {weather} {when}.",
  "But that was not the end of the story.",
  "Soon {hero} and {friend} had a new idea.",
];
const scenes = [
  "The sun was warm, and the birds were singing.",
  "There was always something new to see {at}.",
  "In the evening, {his} {elder} told {him} stories by the fire.",
  "{His} favorite food was {food}.",
  "{His} favorite color was {color2}.",
  "{He} had a pocket full of {color2} stones.",
  "Every night, {he} counted the stars from {his} window.",
  "{He} had one dream: to see the whole world.",
  "In the morning, the air smelled of [grass|bread|rain|flowers].",
];
const bestFriend = "{His} best friend was {a:friend_kind} named {friend}.";
/** Here the n-th wordings belong together; elsewhere any mixture reads well. */
const oneThread = ["surprise", "rainy day", "song"];

/** What every plot comes to, in one sentence. */
const summaries: Record<string, string> = {
  "lost thing": "{Hero} lost {his} {color} {thing}, and {friend} helped {him} find it.",
  "a small animal in trouble": "{Hero} and {friend} saved a little {small}, and later it helped {hero}.",
  afraid: "{Hero} was afraid, but with the help of {friend} {he} learned to be brave.",
  baking: "{Hero} and {friend} made {cake} and shared it with everyone.",
  broken: "{Hero} broke something and told {his} {elder} the truth.",
  sharing: "{Hero} and {friend} both wanted the {color} {thing} and learned to take turns.",
  garden: "{Hero} planted a seed, was patient, and it grew into {a:plant}.",
  race: "{Hero} stopped in a race to help {friend} and won a friend.",
  "rainy day": "It rained all day, and {hero} had fun inside the house.",
  "strange sound": "{Hero} heard a strange sound at night and found a tiny {small}.",
  building: "{Hero} wanted to build something, and it worked when {friend} helped {him}.",
  wish: "{Hero} had one wish and gave it to {friend}.",
  "lost in the woods": "{Hero} got lost in the forest, and the {small} told {him} how to get home.",
  "new friend": "{Hero} made friends with {friend}, who was new and very shy.",
  surprise: "{Hero} thought that everyone had forgotten {his} birthday, but there was a surprise party.",
  "treasure map": "{Hero} and {friend} found an old map and a box with {a:thing} in it.",
  "showing off": "{Hero} liked to show off, until {he} fell into the water and the others saved {him}.",
  moon: "{Hero} wanted to hold the moon and found it in a bowl of water.",
  snow: "{Hero} and {friend} made a snowman, and the {small} gave it a carrot.",
  song: "{Hero} was shy about singing, but {his} friends liked {his} song.",
  trip: "{Hero} and {his} {elder} went on a trip to the water.",
};

export type Cast = Record<string, string>;

/** Draws the small animal and the helper so that nobody in the story is of the same kind. */
function drawBystanders(cast: Cast, random: Random) {
  const taken = [cast.hero_kind, cast.friend_kind, "kitten", "puppy"];
  cast.small = pick(
    random,
    small.filter((kind) => !taken.slice(0, 2).includes(kind)),
  );
  cast.helper = pick(
    random,
    animals.filter((kind) => !taken.includes(kind) && kind !== cast.small),
  );
}

/** Draws everybody and everything one story needs: what its templates look up. */
function drawCast(random: Random): Cast {
  const cast: Cast = {};
  const animal = random() < 0.4;
  let girl = random() < 0.5;
  const kinds = sample(random, Object.keys(beasts).sort(), 2);
  for (const [i, role] of ["hero", "friend"].entries()) {
    // one of them is a she and the other a he, so that pronouns are clear
    cast[`${role}_kind`] = animal ? kinds[i] : girl ? "girl" : "boy";
    cast[role] = animal ? beasts[kinds[i]][girl ? 0 : 1] : pick(random, girl ? girls : boys);
    const words = girl ? ["she", "her", "her", "herself"] : ["he", "him", "his", "himself"];
    for (const [j, key] of ["he", "him", "his", "himself"].entries()) cast[(i === 0 ? "" : "f_") + key] = words[j];
    girl = !girl;
  }
  cast.home = pick(random, animal ? dens : homes);
  cast.elder = pick(random, ["mother", "father", "grandmother", "grandfather", "aunt", "uncle"]);
  const woman = ["mother", "grandmother", "aunt"].includes(cast.elder);
  [cast.e_he, cast.e_him, cast.e_his] = woman ? ["she", "her", "her"] : ["he", "him", "his"];
  [cast.adj, cast.adj2] = sample(random, adjectives, 2);
  [cast.color, cast.color2] = sample(random, colors, 2);
  [cast.thing, cast.thing2] = sample(random, things, 2);
  [cast.place, cast.place2] = sample(random, places, 2);
  cast.at = `${placesIn[cast.place] ?? "in"} the ${cast.place}`;
  cast.at2 = `${placesIn[cast.place2] ?? "in"} the ${cast.place2}`;
  [cast.hiding, cast.hiding2] = sample(random, hiding, 2);
  cast.food = pick(random, foods);
  cast.cake = pick(random, cakes);
  cast.need = pick(random, ingredients);
  cast.plant = pick(random, plants);
  cast.weather = pick(random, weather);
  drawBystanders(cast, random);
  cast.when = pick(random, ["morning", "afternoon", "day"]);
  cast.number = pick(random, ["two", "three", "four", "five", "six", "seven"]);
  return cast;
}

/** Expands one template: innermost choices first, then the cast. */
export function say(template: string, cast: Cast, random: Random): string {
  let text = template;
  while (text.includes("["))
    text = text.replace(/\[([^[\]]*)\]/g, (_, options: string) => pick(random, options.split("|")));
  return text.replace(/\{([^}]*)\}/g, (_, key: string) => {
    const article = key.slice(0, 2).toLowerCase() === "a:";
    const name = article ? key.slice(2) : key in cast ? key : key[0].toLowerCase() + key.slice(1);
    const word = article ? withArticle(cast[name]) : cast[name];
    return /^[A-Z]/.test(key) ? capital(word) : word;
  });
}

function episode(plot: string, cast: Cast, random: Random): string[] {
  const thread = Math.floor(random() * 2);
  return plots[plot].map((beat) => say(oneThread.includes(plot) ? beat[thread] : pick(random, beat), cast, random));
}

/** One story of about 200 words a chapter, its cast, and a summary of its first chapter; later chapters keep hero, friend and elder. */
export function story(random: Random, chapters = 1): { text: string; cast: Cast; summary: string } {
  const cast = drawCast(random);
  let chosen = sample(random, Object.keys(plots).sort(), chapters);
  // somebody who is new cannot be an old friend
  if (chosen.includes("new friend")) chosen = ["new friend", ...chosen.filter((plot) => plot !== "new friend")];
  const stranger = chosen[0] === "new friend";
  const opening = pick(random, stranger ? openings.filter((text) => !text.includes("{friend}")) : openings);
  const parts = [say(opening, cast, random)];
  if (!stranger && !opening.includes("{friend}") && random() < 0.5) parts[0] += ` ${say(bestFriend, cast, random)}`;
  if (random() < 0.4) parts[0] += ` ${say(pick(random, scenes), cast, random)}`;
  const summary = say(summaries[chosen[0]], cast, random);
  for (const [i, plot] of chosen.entries()) {
    if (i > 0) {
      const other = drawCast(random);
      for (const key of changes) cast[key] = other[key];
      drawBystanders(cast, random);
      parts.push(say(pick(random, links), cast, random));
    }
    parts.push(...episode(plot, cast, random));
  }
  if (random() < 0.85) parts.push(say(pick(random, endings), cast, random));
  return { text: parts.join(pick(random, [" ", "\n\n", "\n\n"])), cast, summary };
}
