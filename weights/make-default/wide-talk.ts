// Opinions in many words: reviews, diary lines, letters, and remarks about people that are good or bad throughout,
// told by adjectives, verbs, and idioms alike and never with a label. And ways to put a question,
// to put it together with a passage, and to ask for answers in full sentences.

import { capital, chance, inventedName, pick, type Random, sample, whole } from "./draw.ts";
import { nouns } from "./words.ts";

// biome-ignore format: lists of words and sentences
/** Good opinions, then bad ones: {it} is the thing with its article, {x} the bare noun, {w} and {w2} opinion words, {y} a detail. */
const opinionsWide: readonly { words: readonly string[]; first: readonly string[]; middle: readonly string[]; last: readonly string[] }[] = [
  {
    words: `good great nice excellent wonderful lovely perfect delicious beautiful fantastic friendly brilliant charming amazing superb
      pleasant delightful splendid tasty thrilling cozy flawless awesome terrific marvelous fabulous outstanding exceptional exquisite
      magnificent gorgeous stunning breathtaking dazzling enchanting captivating fascinating gripping engaging entertaining enjoyable
      hilarious witty clever inspiring uplifting heartwarming touching refreshing relaxing soothing comfortable comforting spotless
      immaculate impeccable faultless stellar sublime divine heavenly glorious radiant remarkable impressive incredible unforgettable
      memorable magical dreamy idyllic stylish elegant graceful tasteful classy polished masterful thoughtful considerate kind gracious
      courteous polite helpful generous welcoming hospitable cheerful joyful lively vibrant sparkling scrumptious mouthwatering
      flavorful yummy luscious satisfying rewarding worthwhile priceless reliable sturdy honest sincere superior first-rate top-notch
      world-class unbeatable matchless phenomenal sensational spectacular astounding tremendous extraordinary admirable commendable
      praiseworthy agreeable likable lovable adorable sweet blissful ideal exemplary super stupendous wondrous spellbinding riveting
      compelling exhilarating exciting first-class absorbing wholesome`.trim().split(/\s+/),
    first: [
      "I adored {it} from start to finish.", "What a {w} {x} that was!", "{It} was simply {w}.", "Wow, just wow: {it} blew me away.",
      "I have rarely come across such a {w} {x}.", "{It} turned out to be {w} and {w2}.", "Where do I even begin? {It} was {w} in every way.",
      "Dear diary, today was the happiest day in ages.", "Dear Grandma, thank you for {it}, I treasure it.", "Honestly, {it} is {w}.",
      "i'm so in love with {it}", "You have to try {it}!", "Hats off to whoever came up with {it}.", "We fell in love with {it} at once.",
      "{It} is everything I had hoped for and more.", "I was over the moon with {it}.", "I had doubts about {it}, but they melted away within minutes.",
      "Finally a {x} that gets everything right!", "{It} hit the spot.", "Our whole family had a blast.", "I can't praise {it} enough.",
      "My expectations were high, and {it} beat them all.", "I could not stop smiling.", "I was grinning from ear to ear all evening.",
      "Few things in life are as {w} as {it}.", "Never have I seen a {x} so {w}.", "{It} won me over right away.", "{It} was {w}, no two ways about it.",
      "Dear Tom, you were right, {it} is {w}!", "I'm thrilled to bits with {it}.", "Two thumbs up for {it}.", "{It} is a gem.", "{It} is a dream come true.",
      "Bravo!", "We were treated like royalty.", "This {x} knocked my socks off.", "{It} put a big smile on my face.", "Best {x} ever!",
      "This has got to be the most {w} {x} in town.", "Thanks to {it}, our weekend was {w}.",
    ],
    middle: [
      "The {y} was {w}.", "The {y} struck me as {w} and {w2}.", "Even the {y} was {w}.", "I found the {y} {w}.", "We were all charmed by the {y}.",
      "As for the {y}, I'd call it {w}.", "I can still picture the {y}: {w}!", "The {y} took my breath away.", "The {y} could not have been better.",
      "A special thank-you goes to the {y}.", "Don't get me started on the {y}, it was that {w}.", "The nurse was {w} to us.",
      "Our host went out of his way to make us feel at home.", "My new boss is {w} and treats everyone with respect.",
      "The teacher lit up the room and the kids hung on her every word.", "The lady at the desk helped us with endless patience.",
      "Our guide was {w}, and we laughed all day long.", "The driver carried our bags and wished us luck.", "You could feel how much love went into it.",
      "Time flew by.", "We didn't want it to end.", "I laughed until my belly hurt.", "I was moved to happy tears.", "Everything ran like clockwork.",
      "Not a single thing went wrong.", "I couldn't find one fault with it.", "There was nothing to complain about.", "Every penny was well spent.",
      "What a bargain for something so {w}!", "The kids squealed with delight.", "My husband couldn't stop raving about the {y}.",
      "We lingered for hours because it felt so {w}.", "The crowd jumped up and cheered.", "It felt like a warm hug.", "The {y} alone was worth the trip.",
      "All my worries melted away.", "I slept like a baby and woke up happy.", "They handled every wish with a smile.", "I was pleasantly surprised by the {y}.",
      "It got better and better.", "Each moment was more {w} than the last.", "My heart leapt for joy.", "It was love at first sight.",
      "I savored every second.", "The {y} deserves a prize.", "Who would not want such a {w} {y}?", "Thanks to the {y}, we felt right at home.",
      "I was hooked from the very first minute.", "It works like a charm.", "It does exactly what was promised, and beautifully so.",
      "Say what you like, the {y} was {w}.", "It was the {y} that made it so {w}.", "The {y}, too, earned our applause.",
      "My mother, who is hard to please, called it {w}.", "The {y} and everything else: {w}, {w2}, just right.", "I walked out on cloud nine.",
      "It brightened up a gray week.", "We counted ourselves lucky to be there.", "My friends are green with envy now.", "so {w}, i can't even",
    ],
    last: [
      "I'd give anything to go again.", "Money well spent.", "I will be back, that's for sure.", "I can't wait for the next time.",
      "Do yourself a favor and go.", "I'm telling all my friends to get one.", "Ten out of ten.", "Full marks from me.", "Keep up the {w} work!",
      "Thank you from the bottom of my heart.", "I went to bed happy.", "I would not change a thing.", "It doesn't get any better than this.",
      "A memory I will cherish forever.", "I'm already saving up for another visit.", "In a word: {w}.", "All in all, a {w} {x}.",
      "You won't regret it.", "Run, don't walk, to get yours.", "I count my blessings tonight.", "We left with full hearts.",
      "I'd recommend it in a heartbeat.", "I'm a fan for life.", "It was worth every cent.", "Treat yourself, you deserve something so {w}.",
      "I left with a spring in my step.", "We'd come back tomorrow if we could.", "I'm still smiling as I write this.", "love love love it",
      "More of this, please!", "Don't miss it for the world.", "I owe them a big thank-you.", "They have earned a loyal customer.",
      "Life is beautiful.", "What a treat!", "It made my whole year.", "Nothing else comes close.", "I'd buy it again without a second thought.",
      "With love and gratitude, your happy guest.", "Simply {w}, simply {w2}.",
    ],
  },
  {
    words: `bad terrible awful horrible boring ugly dirty rude broken slow disgusting useless sad dreadful disappointing poor lousy dull
      dreary tedious tiresome bland tasteless stale soggy rotten revolting repulsive nauseating sickening vile nasty foul filthy
      grimy shabby shoddy sloppy careless flimsy faulty defective worthless pointless senseless meaningless hopeless pathetic pitiful
      miserable wretched abysmal atrocious appalling ghastly hideous horrid horrendous horrific grim gloomy depressing dismal bleak
      joyless lifeless soulless cheerless uninspired unimaginative unoriginal uninteresting unimpressive unpleasant unfriendly
      unhelpful unkind inconsiderate thoughtless heartless cruel hostile arrogant insulting offensive obnoxious annoying
      irritating infuriating maddening frustrating exasperating unbearable intolerable insufferable unacceptable inexcusable disgraceful
      shameful embarrassing ridiculous stupid foolish idiotic clumsy inept incompetent amateurish botched messy
      chaotic disorganized unreliable dishonest overpriced overrated inferior mediocre substandard second-rate third-rate inedible
      unpalatable lackluster forgettable unsatisfying inadequate deplorable despicable loathsome abominable
      crummy trashy tacky grotesque nightmarish disastrous catastrophic painful excruciating`.trim().split(/\s+/),
    first: [
      "I couldn't stand {it}.", "What a {w} {x} that was!", "{It} was simply {w}.", "I regret the day I set eyes on {it}.",
      "I have rarely come across such a {w} {x}.", "{It} turned out to be {w} and {w2}.", "Where do I even begin? {It} was {w} in every way.",
      "Dear diary, today was a nightmare.", "Dear Sir or Madam, I am writing to complain about {it}.", "Honestly, {it} is {w}.",
      "ugh, i'm so done with {it}", "Whatever you do, don't waste your time on {it}.", "Shame on whoever came up with {it}.", "{It} put us off at once.",
      "{It} fell far short of what was promised.", "My heart sank when I saw {it}.", "I had high hopes for {it}, but they were crushed within minutes.",
      "Another {x} that gets everything wrong!", "{It} left a bitter taste in my mouth.", "Our whole family was fed up.", "I can't complain about {it} loudly enough.",
      "My expectations were low, and {it} still let me down.", "I could have cried with frustration.", "I was fuming all evening.",
      "Few things in life are as {w} as {it}.", "Never have I seen a {x} so {w}.", "{It} got on my nerves right away.", "{It} was {w}, no two ways about it.",
      "Dear Tom, I wish I had listened to you, {it} is {w}!", "I'm sick and tired of {it}.", "Two thumbs down for {it}.", "{It} is a rip-off.", "{It} is a bad joke.",
      "Boo!", "We were treated like dirt.", "This {x} bored me to tears.", "{It} spoiled my mood completely.", "Worst {x} ever!",
      "This has got to be the most {w} {x} in town.", "Thanks to {it}, our weekend was {w}.",
    ],
    middle: [
      "The {y} was {w}.", "The {y} struck me as {w} and {w2}.", "Even the {y} was {w}.", "I found the {y} {w}.", "We were all put off by the {y}.",
      "As for the {y}, I'd call it {w}.", "I still shudder at the {y}: {w}!", "The {y} made my skin crawl.", "The {y} could not have been worse.",
      "I have a bone to pick with the {y}.", "Don't get me started on the {y}, it was that {w}.", "The nurse was {w} to us.",
      "Our host rolled his eyes at us and slammed the door.", "My new boss is {w} and yells at everyone.",
      "The teacher snapped at the kids until they cried.", "The lady at the desk ignored us and chewed her gum.",
      "Our guide was {w}, and we wanted to go home all day long.", "The driver cursed at us and threw our bags on the street.", "Nobody seemed to care one bit.",
      "The hours dragged on and on.", "We left before the end.", "I yawned my head off.", "I was close to tears with anger.", "Everything fell apart.",
      "Not a single thing went right.", "I couldn't find one thing to like about it.", "There was nothing to enjoy.", "Every penny was wasted.",
      "What a price to pay for something so {w}!", "The kids begged us to leave.", "My husband couldn't stop grumbling about the {y}.",
      "We fled after ten minutes because it felt so {w}.", "The crowd booed and walked out.", "It felt like a slap in the face.", "The {y} alone ruined the trip.",
      "My headache got worse by the minute.", "I tossed and turned all night and woke up cranky.", "They met every wish with a scowl.", "I was badly let down by the {y}.",
      "It went from bad to worse.", "Each moment was more {w} than the last.", "It broke my heart.", "I wanted to turn around on the spot.",
      "I suffered through every second.", "The {y} should be ashamed.", "Who would put up with such a {w} {y}?", "Because of the {y}, we never felt welcome.",
      "I lost interest after the very first minute.", "It fell to pieces within a day.", "It does nothing of what was promised, and my complaints went unanswered.",
      "Say what you like, the {y} was {w}.", "It was the {y} that made it so {w}.", "The {y}, too, earned nothing but boos.",
      "My mother, who is easy to please, called it {w}.", "The {y} and everything else: {w}, {w2}, just wrong.", "I stormed out in a rage.",
      "It spoiled what should have been a happy week.", "We cursed our luck for being there.", "My friends felt sorry for us.", "so {w}, i can't even",
    ],
    last: [
      "Wild horses couldn't drag me back.", "Money down the drain.", "I won't be back, that's for sure.", "I dread the next time.",
      "Do yourself a favor and stay home.", "I'm warning all my friends.", "Zero out of ten.", "No stars from me.", "Give me a refund for this {w} mess!",
      "I will never forgive them.", "I went to bed miserable.", "I would undo it all if I could.", "It doesn't get any worse than this.",
      "A memory I would rather erase.", "I'm already writing my letter of complaint.", "In a word: {w}.", "All in all, a {w} {x}.",
      "You will regret it.", "Run as fast as you can and don't look back.", "I cried myself to sleep tonight.", "We left with heavy hearts.",
      "I wouldn't wish it on my worst enemy.", "They have lost me for good.", "It wasn't worth a cent.", "Spare yourself, nobody deserves something so {w}.",
      "I left with my head hung low.", "We wouldn't come back if they paid us.", "I'm still shaking with anger as I write this.", "hate hate hate it",
      "No more of this, please!", "Avoid it like the plague.", "They owe me an apology.", "They have driven away a loyal customer.",
      "Life is unfair.", "What a letdown!", "It wrecked my whole year.", "Anything else would have been better.", "I threw it in the trash without a second thought.",
      "With anger and regret, your former guest.", "Simply {w}, simply {w2}.",
    ],
  },
];

function list(words: string): readonly string[] {
  return words.trim().split(/\s+/);
}

const dishes =
  list(`meal dinner lunch breakfast brunch soup salad pizza burger sandwich cake pie dessert stew curry pancake taco
  steak lasagna buffet`);
const subjects =
  list(`film movie book novel story play show series episode concert song album game match hotel hostel room cottage
  campsite trip tour cruise vacation flight museum exhibition restaurant cafe bakery bar shop market party wedding festival parade
  picnic course class lecture lesson workshop app website laptop phone camera headset printer vacuum mattress sofa chair jacket sweater
  dress gift visit evening afternoon neighborhood apartment gym spa pool zoo park beach podcast musical opera circus haircut delivery
  repair landlord`);
const people =
  list(`waiter waitress cook chef host hostess manager receptionist driver pilot guide nurse doctor dentist teacher
  coach singer actor actress drummer author director neighbor landlord clerk cashier salesman mechanic plumber barber crew team staff`);
const parts =
  list(`view bed room bathroom kitchen garden pool lobby balcony price bill service atmosphere music sound picture screen
  battery design plot story ending beginning cast acting dialogue writing cover stage lighting seat table menu decor location parking
  weather journey welcome packaging delivery fabric color finish handling layout schedule audience conversation treatment advice`);
const tastes = list("food soup coffee tea dessert bread sauce salad wine breakfast cake fish meat cheese main");

/** Words that only food can be, and words that people cannot. */
const ofFood = new Set(
  list(`delicious tasty scrumptious mouthwatering flavorful yummy luscious
  bland stale soggy inedible unpalatable`),
);
const notOfPeople = new Set(
  list(`cozy comfortable spotless sturdy worthwhile idyllic breathtaking broken dirty tasteless grimy shabby shoddy flimsy faulty
  defective overpriced botched chaotic nightmarish relaxing memorable tedious painful excruciating`),
);
/** Short words, which do not go with "more" and "most". */
const short = new Set(
  list(`good great nice kind sweet tasty cozy witty classy yummy super perfect ideal bad poor ugly dirty rude slow sad
  dull foul vile nasty filthy grim`),
);
const ofPeople = /\b(nurse|boss|guide)\b/;

/** "a" before a vowel's sound is "an". */
function articles(text: string): string {
  return text.replace(/\b([Aa]) (?=(?!uni[^mn]|us[eu]|uku|ut|eu|ewe|one)[aeiou]|honest|hour)/g, "$1n ");
}

/** A review, diary line, letter, or remark of two to six sentences: from the first to the last either good or bad. */
export function wideReview(random: Random): string {
  const { words, first, middle, last } = pick(random, opinionsWide);
  const food = chance(random, 0.2);
  const x = food ? pick(random, dishes) : chance(random, 0.55) ? pick(random, subjects) : pick(random, nouns);
  const named = chance(random, 0.2)
    ? inventedName(random)
    : `${pick(random, ["the", "the", "the", "this", "our", "my", "their"])} ${x}`;
  const say = (template: string) => {
    const y = pick(random, pick(random, food ? [tastes, tastes, people, parts] : [people, parts, parts]));
    const detail = template.includes("{y}");
    const person = detail ? people.includes(y) : ofPeople.test(template);
    const tasted = !person && (detail ? tastes.includes(y) : food);
    const compared = /\b(more|most) \{w\}/.test(template);
    const fit = words.filter(
      (word) => (tasted || !ofFood.has(word)) && !(person && notOfPeople.has(word)) && !(compared && short.has(word)),
    );
    const [w, w2] = sample(random, fit, 2);
    const fill: Record<string, string> = { it: named, It: capital(named), x, w, w2, y };
    return articles(template.replace(/\{(\w+)\}/g, (_, key: string) => fill[key]));
  };
  const count = whole(random, 2, 6);
  const ends = Math.min(whole(random, 0, 2), count - 1);
  const opens = chance(random, 0.9) || count === ends ? 1 : 0;
  const sentences = [
    ...sample(random, first, opens),
    ...sample(random, middle, count - opens - ends),
    ...sample(random, last, ends),
  ].map(say);
  const text = sentences.map((sentence) => (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`)).join(" ");
  return chance(random, 0.1) ? text.toLowerCase() : text;
}

// biome-ignore format: one wrap after the other
/** Ways to put a question, which may also read "Tell me …": {q} is the question. */
export const questionFrames: readonly string[] = [
  "Quick question: {q}", "{q} Thanks!", "Based on the text above, {q}", "hey, {q}", "{q} (one sentence, please)",
  "{q} Thank you.", "{q} Please reply in a full sentence.", "Hi! {q}", "Hello, {q}", "One more thing: {q}", "Next: {q}", "Next question: {q}",
  "Okay. {q}", "OK, {q}", "ok so {q}", "Alright, here goes: {q}", "Q: {q}", "Question: {q}", "My question: {q}", "Here's my question. {q}",
  "I have a question. {q}", "I have a question for you: {q}", "Sorry to bother you, but I need to know this: {q}", "Just curious: {q}",
  "I was wondering: {q}", "I'd like to know: {q}", "Can you help me with this? {q}", "Could you answer this for me? {q}",
  "Please answer the following question: {q}", "Answer this, please: {q}", "Answer the question.\n\n{q}", "Please answer.\n{q}",
  "According to the text: {q}", "From what you just read: {q}", "Going by the passage, {q}", "Look at the text again. {q}",
  "Going back to the text: {q}", "Now then: {q}", "So, {q}", "And another one: {q}", "Great, thanks. {q}", "Thanks! {q}", "Got it. {q}",
  "Let me ask you this: {q}", "Let me ask you something. {q}", "Do you know the answer to this one? {q}", "Here is an easy one: {q}",
  "{q} I can't find it.", "{q} I must have missed it.", "{q} I forgot.", "{q} Keep it short.", "{q} A short answer will do.",
  "{q} Just one sentence.", "{q} Use the text.", "{q} It should be in the text.", "{q} I'd appreciate it!", "{q} pls",
  "Would you mind? {q}", "**{q}**", "\"{q}\"",
];

// biome-ignore format: one wrap after the other
/** Ways to put a passage {p} and a question {q} together. */
export const passageFrames: readonly string[] = [
  "{p}\n\n{q}", "{q}\n\n{p}", "{p} {q}", "{p}\n---\n{q}", "{q}\n---\n{p}", "---\n{p}\n---\n\n{q}",
  "Context: {p}\n\nQuestion: {q}", "Context:\n{p}\n\nQuestion:\n{q}", "Context: {p}\nQuestion: {q}\nAnswer:", "Question: {q}\n\nContext: {p}",
  "<text>\n{p}\n</text>\n\n{q}", "<passage>{p}</passage>\n<question>{q}</question>", "<context>\n{p}\n</context>\n{q}",
  "{q}\n\n<document>\n{p}\n</document>", "# Text\n\n{p}\n\n# Question\n\n{q}", "## Passage\n{p}\n\n## Question\n{q}", "**Text:** {p}\n\n**Question:** {q}",
  "### Input\n{p}\n\n### Task\n{q}", "> {p}\n\n{q}", "{q}\n\n> {p}", "\"{p}\"\n\n{q}", "'''\n{p}\n'''\n\n{q}", "\"\"\"\n{p}\n\"\"\"\n{q}",
  "```\n{p}\n```\n\n{q}", "{q}\n\n```\n{p}\n```", "I found this text: {p}\n\n{q}", "Here are my notes.\n\n{p}\n\nNow my question: {q}",
  "My friend sent me this:\n\n{p}\n\n{q}", "Read the following passage.\n\n{p}\n\nNow answer: {q}", "Use the text below to answer the question.\n\n{p}\n\n{q}",
  "Answer the question from the text.\nQuestion: {q}\nText: {p}", "{q} Here is the text:\n\n{p}", "{q} Look it up in this passage: {p}",
  "Given this information:\n{p}\n\nanswer this question:\n{q}", "Passage: {p}\n\nQ: {q}\nA:", "[Text]\n{p}\n\n[Question]\n{q}",
  "Information:\n{p}\n\n===\n\n{q}", "Please read this: {p} And now: {q}", "I have a question about the text after it. {q}\n\nThe text: {p}",
  "Article:\n\n{p}\n\nBased on the article above: {q}",
];

// biome-ignore format: one prompt after the other
/** System prompts for answers about a text in full sentences. */
export const passageSystems: readonly string[] = [
  "Answer in full sentences.", "Answer every question with one complete sentence.", "You answer questions about a text in full sentences.",
  "Reply with a full sentence.", "Please use complete sentences.", "Use the passage to answer, and write whole sentences.",
  "You are a helpful assistant who answers questions about texts.", "You are a careful reader. Answer each question in one sentence.",
  "Read the text and answer the user's questions.", "Answer only from the text, in a full sentence.", "Find the answer in the passage and say it in a sentence.",
  "The user gives you a text and asks about it. Reply in full sentences.", "You help people find facts in texts.", "Stick to the text.",
  "Stick to what the passage says and answer in complete sentences.", "Do not make anything up. Answer from the text in a whole sentence.",
  "Be accurate: everything you need is in the text.", "You are a reading tutor. Answer in complete sentences.", "You are a friendly librarian who answers in full sentences.",
  "You are a patient teacher. Give each answer as a sentence.", "Give clear answers in plain English.", "Write each answer as a complete sentence that repeats what was asked.",
  "Answer politely and in full sentences.", "Answer truthfully, using only the information in the text.", "Your job is to answer questions about the text that the user provides.",
  "You will be given a passage and a question. Answer with a sentence.", "You will see a text, then questions. Answer them one at a time.",
  "One sentence per answer, please.", "No bare words: always answer in a sentence.", "Always answer with a subject and a verb.",
  "Assistant for reading comprehension. Output: one complete sentence.", "Task: answer questions about a passage. Style: full sentences.",
  "Keep your answers to a single, complete sentence.", "You are an assistant that reads documents and answers questions about them.",
  "Answer the way a good student would: in a full sentence.", "Help the user to understand the text. Speak in full sentences.",
  "Quote the facts of the text in your own full sentences.", "Act as a reference desk: look up the fact in the text and state it in a sentence.",
  "Respond in English with complete sentences.", "Speak in whole sentences and rely on the passage alone.",
];
