// Plain lists of real words: what the generators of the corpus put into their templates where
// an invented word would not do. No list holds a word twice.

function list(words: string): readonly string[] {
  return words.trim().split(/\s+/);
}

/** Concrete everyday things, places, animals, and people, in the singular. */
export const nouns = list(`
  dog cat horse cow sheep goat pig hen rooster duck goose turkey rabbit hamster mouse rat squirrel fox wolf bear
  deer moose elk bison buffalo camel mule zebra giraffe elephant lion tiger leopard cheetah panther jaguar
  monkey gorilla baboon kangaroo koala panda otter beaver badger skunk raccoon hedgehog porcupine weasel mole
  bat whale dolphin seal walrus shark salmon trout tuna herring cod carp eel octopus squid crab lobster shrimp
  oyster clam mussel snail slug spider scorpion ant bee wasp hornet butterfly moth beetle ladybug cricket
  grasshopper dragonfly mosquito fly termite caterpillar frog toad salamander gecko iguana chameleon cobra
  viper turtle tortoise crocodile alligator eagle hawk falcon owl vulture crow raven magpie sparrow swallow finch
  parrot dove seagull pelican heron flamingo swan ostrich emu peacock pheasant quail woodpecker hummingbird
  kingfisher puppy kitten calf lamb piglet chick cub pony stallion mare bull ox ram llama alpaca antelope gazelle
  hyena jackal coyote lynx puma apple pear peach cherry apricot nectarine mango papaya banana pineapple orange lemon
  lime grapefruit melon watermelon grape raisin fig date strawberry raspberry blackberry cranberry gooseberry
  kiwi coconut pomegranate avocado carrot onion leek radish turnip beet cabbage cucumber zucchini
  eggplant pepper chili pea lentil chickpea mushroom artichoke sauce egg omelet steak meatball burger sandwich
  bagel muffin croissant pretzel biscuit cookie cracker cake cupcake pie tart doughnut pancake waffle pudding
  lollipop marshmallow peanut almond walnut hazelnut chestnut cashew pistachio pecan lasagna pizza dumpling soup
  casserole burrito roll loaf bun smoothie milkshake breakfast lunch dinner dessert picnic feast
  chair desk bench sofa couch armchair bed mattress pillow quilt sheet cradle crib hammock wardrobe closet
  cupboard cabinet drawer dresser bookcase mirror lamp lantern candle candlestick chandelier bulb torch rug
  mat blind cushion clock watch vase bowl plate dish saucer cup mug glass goblet jug pitcher bottle flask jar can
  tin barrel bucket basin tub sink faucet tap shower bathtub toilet towel sponge toothbrush comb brush hairbrush
  razor broom mop dustpan vacuum duster bin basket hamper hanger iron oven microwave toaster kettle
  refrigerator freezer dishwasher blender mixer grater whisk ladle spatula spoon fork knife chopstick corkscrew
  colander sieve skillet pan wok lid tray napkin tablecloth oilcan lunchbox house cottage cabin hut mansion
  palace castle fortress tower apartment igloo tent stable shed greenhouse kennel coop basement cellar
  kitchen bedroom bathroom hallway corridor lobby porch balcony terrace patio veranda roof chimney wall ceiling
  floor door gate window doorbell doorknob hinge lock key latch keyhole stair staircase ladder elevator escalator
  hedge driveway mailbox fountain well pond lawn garden vineyard farm meadow pasture school
  college library museum gallery cinema arena circus zoo aquarium park playground church temple mosque
  synagogue chapel monastery cathedral hospital pharmacy bank factory warehouse mill mine quarry
  bakery butchery dairy brewery cafe diner pub inn hostel motel shop store supermarket market mall
  salon courthouse embassy airport station terminal harbor port dock pier tunnel
  road street avenue alley lane path trail highway crossroad roundabout sidewalk square plaza village
  suburb island car taxi bus van truck tractor trailer caravan ambulance motorcycle bicycle tricycle
  skateboard wagon cart carriage sled sleigh train tram subway locomotive railcar boat ship ferry yacht canoe kayak
  raft rowboat sailboat submarine barge airplane helicopter glider balloon rocket spaceship satellite parachute
  wheel tire engine motor brake pedal saddle bumper windshield headlight seatbelt dashboard anchor sail mast oar
  paddle rudder propeller wing cockpit hammer nail screw screwdriver wrench saw chisel axe hatchet shovel
  spade rake pitchfork wheelbarrow sprinkler sickle scythe crowbar clamp anvil workbench ruler compass level
  rope needle pin thimble button zipper buckle hook chain wire cable cord switch battery magnet spring lever
  pipe valve funnel tile plank board beam stick pole peg pebble stone rock boulder staple stapler
  paperclip thumbtack eraser pencil pen crayon marker blackboard whiteboard notepad envelope stamp postcard
  letter parcel box carton crate trunk briefcase handbag purse wallet pouch sack bag
  folder binder diary dictionary atlas map globe newspaper magazine novel comic poster painting
  drawing sketch photograph album frame easel paintbrush canvas palette statue sculpture shirt blouse sweater
  cardigan jacket coat vest hoodie dress skirt gown robe pajama nightgown sock stocking shoe boot sandal
  slipper sneaker moccasin shoelace cap beret bonnet helmet crown tiara veil scarf shawl glove mitten belt tie
  bowtie collar sleeve cuff pocket uniform costume mask wig umbrella parasol cane ring necklace bracelet earring
  brooch pendant locket bead gem diamond ruby sapphire pearl medal badge ribbon bow handkerchief kimono sari turban
  poncho head face forehead eye eyebrow eyelash ear nose tooth tongue chin cheek jaw beard mustache neck throat
  shoulder arm elbow wrist hand palm finger thumb fingernail knuckle belly waist leg knee shin ankle foot toe muscle
  heart lung stomach brain skeleton skull feather tail paw claw horn antler beak scale shell tusk whisker fang tree
  oak maple birch willow spruce poplar cypress beech shrub vine fern reed flower rose tulip daisy lily orchid violet
  daffodil sunflower dandelion poppy petal stem leaf thorn root branch twig seed acorn pinecone fruit berry nutshell
  blossom wreath thistle lotus marigold hill valley canyon cliff cave volcano glacier iceberg desert oasis
  beach coast bay gulf lagoon ocean sea lake stream creek brook waterfall rapids swamp marsh forest jungle
  grove prairie plateau peninsula cape delta geyser crater ridge slope summit peak wave puddle sun moon star planet
  comet meteor sky cloud rainbow storm hurricane tornado blizzard snowflake snowball snowman icicle hailstone
  raindrop breeze sunrise sunset shadow flame bonfire campfire spark ember doctor nurse dentist pharmacist
  professor student pupil librarian lawyer judge policeman detective firefighter soldier sailor
  captain pilot driver engineer plumber electrician carpenter painter builder roofer mason farmer shepherd
  gardener hunter miner baker butcher chef cook waiter waitress bartender barber hairdresser tailor
  jeweler blacksmith potter weaver clerk secretary manager banker accountant merchant salesman
  mailman reporter journalist editor writer poet actor actress singer dancer musician violinist drummer
  conductor composer magician clown acrobat juggler sculptor photographer architect scientist chemist astronaut
  inventor explorer athlete coach referee goalkeeper runner swimmer wrestler skater cyclist jockey queen prince
  princess knight duke duchess emperor wizard witch fairy elf giant dragon unicorn mermaid ghost pirate robber guard
  servant butler priest monk nun bishop rabbi neighbor guest tourist passenger baby toddler child boy girl man woman
  mother father brother uncle aunt cousin grandmother grandfather nephew niece twin husband wife bride
  guitar violin cello viola harp flute clarinet bassoon trumpet trombone drum tambourine xylophone
  accordion banjo bagpipe organ keyboard microphone speaker headphone radio television
  laptop tablet telephone smartphone camera tripod scanner monitor screen router antenna joystick calculator
  typewriter telescope thermometer barometer stethoscope syringe crutch wheelchair stretcher pill ointment ball
  racket net goal puck snowboard surfboard paddleboard kite doll marionette puzzle domino marble pawn dart dartboard
  swing seesaw sandbox trampoline carousel rollercoaster whistle hoop frisbee boomerang arrow quiver sword shield
  dagger cannon flag banner trophy ticket coin banknote passport license festival parade concert wedding birthday
  funeral party dance song poem joke riddle lesson exam quiz race match tournament
`);

/** Adjectives that say what something is like, and not whether one likes it. */
export const adjectives = list(`
  red yellow orange purple pink brown black white gray golden crimson violet turquoise
  beige dark bright colorful transparent opaque shiny matte glossy cloudy foggy misty rainy snowy windy
  stormy icy frosty chilly cold lukewarm hot boiling humid damp moist wet dry dusty muddy sandy rocky
  stony grassy wooden metallic woolen cotton silken ceramic big small large little tiny huge giant enormous gigantic
  massive vast miniature medium short tall long high low deep shallow wide broad narrow thick thin slim slender
  bulky compact heavy lightweight weighty hollow solid full empty half single round circular square rectangular
  triangular oval flat curved straight crooked bent twisted spiral pointed sharp blunt jagged smooth rough bumpy
  grainy silky velvety fluffy furry fuzzy woolly feathered spiky thorny slippery oily waxy rubbery stretchy elastic
  rigid flexible hard soft firm brittle crunchy chewy loose tight old new young ancient modern recent early
  annual daily weekly monthly yearly hourly seasonal temporary sudden gradual rapid quick fast swift brief medieval
  prehistoric antique secondhand used unused teenage newborn adult loud quiet silent noisy audible hushed muffled
  musical rhythmic cooked boiled fried grilled roasted smoked salted sweetened sour salty spicy sugary peppery
  ripe unripe peeled sliced chopped melted liquid gaseous powdery creamy foamy bubbly fizzy vegetarian vegan upper
  lower middle northern southern eastern western local foreign national international global rural urban coastal
  inland tropical arctic polar alpine underground underwater overhead nearby remote indoor outdoor domestic wild
  native open closed locked unlocked covered hidden visible invisible public private shared separate common rare
  usual unusual typical regular irregular similar different identical opposite parallel vertical horizontal diagonal
  upright tilted sideways main primary secondary extra spare whole partial complete incomplete electric digital
  manual automatic mechanical wireless portable folding electronic solar chemical magnetic medical legal political
  military historical mathematical official financial industrial commercial residential agricultural religious
  striped spotted checkered dotted plain patterned printed painted embroidered knitted carved wrapped folded rolled
  stacked crowded busy vacant occupied sleepy hungry thirsty bearded blond curly wavy edible foldable washable
  reusable waterproof fireproof rechargeable sunlit carpeted windowless bottomless handmade homemade inflatable
  nameless wheeled
`);

/** Verbs in their base form. */
export const verbs = list(`
  walk run jump climb crawl swim fly ride drive sail row paddle skate ski dance march hop leap slide spin turn twist
  bend sit stand kneel lean rest sleep wake dream yawn breathe cough laugh smile cry whistle shout yell whisper talk
  speak say tell ask reply call greet thank invite meet visit follow lead catch throw toss kick hit push pull
  drag lift carry hold grab drop put set hang fold wrap tie untie open lock unlock knock ring squeeze touch
  rub scratch pat hug kiss wave point nod clap eat drink chew bite swallow taste smell lick cook bake boil fry roast
  grill stir mix pour fill empty cut slice peel mash freeze melt heat cool serve feed see look watch stare notice
  search hide seek lose show hear listen read write draw color copy type spell count subtract multiply divide
  measure weigh compare choose guess think know learn teach study remember understand explain describe plan decide
  try start finish stop wait leave enter exit return travel wander hike camp fish build make create fix repair break
  crack tear rip sew knit weave iron wash clean scrub wipe sweep mop polish dry soak rinse shave comb brush dress
  buy sell pay spend earn lend rent own give take receive deliver collect keep share trade win play practice compete
  plant grow water dig harvest rake prune burn light glow sparkle blink float sink drip leak spray work help guard
  protect attack free join split retire marry
`);

/** Family names. */
export const surnames = list(`
  Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Thomas Martin Jackson Thompson White Harris
  Clark Lewis Robinson Walker Wright Scott Hill Adams Baker Nelson Carter Phillips Campbell Parker Evans
  Edwards Collins Stewart Morris Murphy Cook Rogers Morgan Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson
  Wood Watson Brooks Bennett Gray James Price Myers Foster Sanders Ross Powell Sullivan Russell Henderson Coleman
  Jenkins Perry Graham Reynolds Hamilton Griffin Wallace Woods Cole West Jordan Owens Fletcher Gibson Ellis Murray
  Ford Barnes Knight Palmer Holmes Hunt Mason Dixon Porter Hayes Burke Lambert Doyle Byrne Walsh Quinn Gallagher
  Kennedy MacDonald Fraser Sinclair Douglas Garcia Rodriguez Martinez Hernandez Gonzalez Perez Sanchez Ramirez
  Torres Flores Rivera Gomez Diaz Cruz Morales Ortiz Gutierrez Chavez Ramos Ruiz Mendoza Jimenez Vargas Romero
  Herrera Medina Aguilar Silva Santos Oliveira Pereira Almeida Carvalho Ferreira Mueller Schmidt Schneider Fischer
  Wagner Becker Hoffmann Schulz Bauer Richter Klein Neumann Schwarz Zimmermann Braun Krause Lehmann Dubois Durand
  Leroy Moreau Laurent Lefebvre Fournier Girard Rossi Russo Ferrari Romano Colombo Ricci Marino Greco Esposito
  Jansen Visser Bakker Smit Meijer Larsen Hansen Olsen Nilsson Johansson Lindberg Berg Korhonen Novak Svoboda
  Kowalski Nowak Wisniewski Kaminski Horvat Kovacs Nagy Popescu Petrov Ivanov Volkov Kuznetsov Papadopoulos Yilmaz
  Demir Kaya Wang Li Zhang Liu Chen Yang Huang Zhao Zhou Kim Lee Park Choi Jung Tanaka Suzuki Sato Watanabe Ito
  Nguyen Tran Pham Hoang Singh Patel Kumar Sharma Khan Ahmed Hussain Rahman Chowdhury Haddad Nasser Mansour Cohen
  Levy Okafor Adeyemi Mensah Diallo Traore Mwangi Otieno Dlamini Nkosi Tesfaye
`);

/** First names of many cultures. */
export const firstNamesOfTheWorld = list(`
  Alan Alexander Alice Amanda Amber Andrew Ann Anthony Arthur Beatrice Bernard Beth Brian Bridget Bruce Caleb Carl
  Caroline Charles Chloe Daniel David Dennis Dorothy Edith Elizabeth Emily Esther Evelyn Felicity Frances Gavin
  Graham Gregory Hannah Helen Henry Howard Irene Isaac Isabel Ivy Jasmine Jason Jennifer Jeremy Jessica Joan
  Jonathan Joseph Joyce Julian Kevin Kimberly Laura Lawrence Louise Lydia Martha Maureen Megan Melissa
  Michelle Molly Monica Nicholas Norman Olivia Pamela Patricia Paul Rebecca Richard Rosemary Russell Sandra Sean
  Sharon Simon Sophia Stephen Theodore Tracy Trevor Victor Vincent Virginia Walter William Beatriz Camila Carlos
  Catalina Diego Eduardo Elena Enrique Fernando Gustavo Javier Jorge Juan Mateo Pablo Paloma Pedro Ricardo Rodrigo
  Santiago Thalita Rui Ines Antoine Brigitte Camille Etienne Gaston Genevieve Jacques Margaux Marcel Odette
  Remy Anselm Dieter Friedrich Helga Jurgen Klaus Lena Liesel Matthias Otto Sabine Ursula Wolfgang Alessandro Bianca
  Chiara Enzo Federica Giovanni Giulia Lorenzo Luca Marco Paolo Pietro Silvia Vittoria Anders Astrid Bjorn Freya
  Henrik Lars Magnus Nils Signe Sigrid Sven Aino Eero Mikko Tuuli Agnieszka Bartosz Jadwiga Katarzyna Piotr Zofia
  Jiri Milena Ondrej Vaclav Bogdan Dragan Goran Jelena Mirjana Zoran Attila Istvan Zsofia Ilinca Radu Alexei Boris
  Dmitri Galina Igor Ludmila Natasha Oksana Olga Sergei Svetlana Tatiana Vladimir Yelena Andreas Dimitris Eleni
  Kostas Nikos Yiannis Ayse Emre Fatma Mehmet Zeynep Aisha Ali Amina Bilal Farid Fatima Habib Hassan Ibrahim Jamila
  Karim Khalid Layla Mahmoud Mariam Mustafa Omar Rashid Salma Samir Yasmin Yusuf Zahra Ari Avi Dov
  Shira Tamar Yael Amir Cyrus Darius Farah Kaveh Parisa Shirin Aditi Ajay Anil Arjun Deepa Devi Gopal Indira Kavita
  Kiran Lakshmi Meera Mohan Nikhil Priya Rajesh Ravi Sanjay Shanti Sunita Vikram Tenzin Pema Akira Emiko Haruki
  Hiroshi Kenji Keiko Mariko Naoki Sakura Satoshi Takeshi Yuki Yumiko Fang Hua Jun Lan Lin Mei Ming Wei Xiao Ying
  Zhen Eunji Hyun Jiho Minji Seojun Anh Binh Duc Linh Minh Thuy Budi Dewi Putri Siti Wayan Somchai Malee Bayani
  Ligaya Abebe Adaeze Ama Ayo Chidi Chinua Desta Emeka Folake Kofi Kwame Kwabena Lindiwe Makena Mandla Ngozi Nia
  Nomsa Oluwaseun Sipho Tendai Thabo Wanjiru Zuri Zola Aroha Hemi Kai Leilani Moana Tane Sefina
`);

/** Cities of one word. */
export const cityNames = list(`
  Paris Berlin Madrid Rome Vienna Prague Budapest Warsaw Lisbon Dublin Brussels Amsterdam Copenhagen Helsinki
  Reykjavik Athens Sofia Bucharest Belgrade Zagreb Ljubljana Bratislava Sarajevo Skopje Tirana Riga Vilnius
  Minsk Kyiv Moscow Istanbul Bern Zurich Geneva Basel Lausanne Munich Hamburg Frankfurt Stuttgart Dresden
  Nuremberg Dortmund Essen Bonn Mainz Heidelberg Kassel Rostock Salzburg Graz Linz Innsbruck Lyon Marseille Toulouse
  Nantes Lille Strasbourg Rennes Dijon Grenoble Montpellier Avignon Milan Naples Turin Venice Florence Bologna Genoa
  Verona Palermo Pisa Siena Bari Catania Trieste Barcelona Seville Bilbao Granada Zaragoza Toledo Braga
  Manchester Leeds Sheffield Leicester Oxford Cambridge York Plymouth Portsmouth Edinburgh Aberdeen
  Inverness Cardiff Swansea Cork Galway Antwerp Ghent Bruges Rotterdam Eindhoven Groningen Aarhus Odense
  Gothenburg Malmo Bergen Trondheim Turku Krakow Poznan Wroclaw Lodz Brno Debrecen Szeged Cluj Varna
  Plovdiv Thessaloniki Patras Odesa Lviv Kharkiv Izmir Antalya Bursa Boston Chicago Houston Denver Seattle
  Portland Phoenix Tucson Atlanta Miami Orlando Tampa Detroit Cleveland Columbus Cincinnati Pittsburgh Philadelphia
  Baltimore Buffalo Albany Minneapolis Nashville Louisville Charlotte Raleigh Savannah Tulsa Albuquerque Sacramento
  Oakland Fresno Honolulu Anchorage Boise Spokane Toronto Montreal Vancouver Ottawa Calgary Edmonton Winnipeg
  Halifax Regina Saskatoon Guadalajara Monterrey Puebla Tijuana Merida Havana Kingston Managua Tegucigalpa
  Medellin Cali Cartagena Maracaibo Quito Guayaquil Cusco Arequipa Santiago Montevideo Rosario Mendoza Asuncion
  Brasilia Salvador Recife Fortaleza Manaus Cairo Tunis Algiers Rabat Marrakesh Dakar Bamako Lagos Abuja
  Ibadan Nairobi Mombasa Kampala Kigali Lusaka Durban Luanda Maputo Tehran Shiraz Baghdad Basra Damascus Aleppo
  Beirut Amman Jerusalem Haifa Riyadh Jeddah Mecca Doha Dubai Muscat Tbilisi Yerevan Baku Tashkent Samarkand Almaty
  Kabul Karachi Lahore Islamabad Delhi Mumbai Kolkata Chennai Bangalore Hyderabad Jaipur Pune Agra Kathmandu Dhaka
  Colombo Yangon Bangkok Singapore Jakarta Beijing Shenzhen Wuhan Chengdu Tokyo Osaka Kyoto Nagoya
  Sapporo Fukuoka Hiroshima Nara Seoul Busan Taipei Sydney Melbourne Adelaide Hobart Darwin Auckland
  Wellington
`);
