"""Topics that tasks ask about, with true facts for the coded solver.

Each topic belongs to one split, so that prompts from different splits are never equal.
Columns: name in a sentence | words that show an answer is about it (see words.mentions) | facts.
Facts are plural verb phrases without commas, digits or capitals, so that a solver can put them
under any constraint.
"""

from dataclasses import dataclass

from arena.environments.base import Split


@dataclass(frozen=True)
class Topic:
    """Something to write about."""

    name: str
    stems: tuple[str, ...]  # lower case; see words.mentions
    facts: tuple[str, ...]


_TRAIN = """
cats|cat,kitten,feline|sleep for most of the day;hunt mice at night;land on their feet
dogs|dog,puppy,puppi,canine|follow smells with great skill;guard the homes of people;love long walks
horses|horse,foal,mare|can sleep while standing up;eat grass and hay;run fast across open fields
bees|bee,hive,honey|make honey in their hives;carry pollen from flower to flower;dance to point at food
owls|owl|hunt in the dark;turn their heads very far;fly almost without a sound
penguins|penguin|swim well but cannot fly;keep eggs warm on their feet;live in cold southern seas
elephants|elephant,trunk|drink with their trunks;live in close families;remember places for years
whales|whale|breathe air at the surface;sing under the water;travel across whole oceans
frogs|frog,tadpole|begin life as tadpoles;catch insects with their tongues;live near ponds
spiders|spider,web|spin webs of silk;have eight legs;eat flies and moths
butterflies|butterfl,caterpillar|start life as caterpillars;drink nectar from flowers;taste with their feet
ants|ant,coloni|live in large colonies;lift more than their own weight;leave trails of scent
rivers|river,stream|carry water to the sea;carve valleys into the land;give homes to fish
mountains|mountain,peak,summit|rise where plates of rock collide;wear snow on their peaks;feed many streams
volcanoes|volcan,lava,erupt|throw out ash and lava;grow over hot rock;make soil rich for farms
deserts|desert,sand|get very little rain;grow cold at night;hide many small animals
forests|forest,tree|clean the air we breathe;shelter birds and deer;hold water in the ground
clouds|cloud,sky|are made of tiny drops;bring rain and shade;drift with the wind
rainbows|rainbow,color,colour|appear when sun meets rain;bend light into bands;form wide arcs in the sky
storms|storm,thunder,lightning|bring wind and heavy rain;light up the sky;pass after a few hours
apples|apple|grow on trees in orchards;taste sweet or sour;keep well in a cool room
bananas|banana|grow in large bunches;turn yellow as they ripen;contain potassium
potatoes|potato|grow under the ground;can be boiled or baked;keep for months in the dark
tomatoes|tomato|are fruits with many seeds;turn red in the sun;make a good sauce
bread rolls|bread,roll,bake,baking|are baked from flour and water;smell wonderful when fresh;go well with soup
soups|soup,broth|warm the body in winter;use up old vegetables;simmer slowly in a pot
bicycles|bicycl,bike,cyclist|move by the power of legs;have two wheels;need no fuel at all
trains|train,rail|run on steel rails;carry many people at once;stop at stations
boats|boat,ship|float on water;carry goods and people;need someone to steer
planes|plane,flight,fly|lift off by the shape of their wings;cross oceans in hours;land on long runways
bridges|bridge|cross rivers and roads;carry heavy loads;are built of stone or steel
castles|castle|have thick stone walls;protected kings and soldiers;stand on hills
libraries|librar,book|lend books to everyone;keep old stories safe;offer a quiet place to read
museums|museum,exhibit|show old and rare things;teach us about the past;welcome school classes
gardens|garden,plant|need water and care;grow flowers and food;attract bees and birds
schools|school,student,teach|teach children to read;bring friends together;close in the summer
doctors|doctor,patient,medic|listen to sick people;study for many years;help bodies heal
farmers|farm,crop|grow the food we eat;rise early each day;care for animals and fields
teachers|teach,student,class|explain hard ideas;help pupils learn;plan each lesson
pianos|piano,key|make sound with small hammers;have black and white keys;fill a hall with music
guitars|guitar,string|have six strings;can be soft or loud;fit into many kinds of music
drums|drum,beat,rhythm|keep the beat of a band;are among the oldest instruments;make sound when struck
books|book,read,story,stories|tell stories and share ideas;can be borrowed or bought;open new worlds
clocks|clock,time|show the time of day;tick with a steady beat;hang on many walls
mirrors|mirror,reflect|reflect light from a smooth face;show us our own image;make rooms look larger
candles|candle,wax,flame|burn with a small flame;are made of wax;light a dark room
kites|kite,wind|fly on the wind;need a long string;come in bright shapes
lamps|lamp,light|give light in the evening;stand on desks and tables;use very little power today
"""

_HELDOUT = """
foxes|fox|live in dens under the ground;hear mice below the snow;have thick red tails
bears|bear,cub|sleep through the winter;love fish and berries;raise their cubs alone
dolphins|dolphin|talk with clicks and whistles;jump out of the waves;live in groups
eagles|eagle|see small prey from far away;build huge nests;glide on warm air
snails|snail,shell|carry a shell on their backs;move very slowly;eat leaves at night
turtles|turtle,tortoise|hide inside a hard shell;live for a long time;lay eggs in sand
rabbits|rabbit,bunny,bunni,hare|live in burrows;chew grass and leaves;run from foxes in zigzags
ducks|duck|swim with webbed feet;keep their feathers dry with oil;fly south in autumn
lakes|lake,water|hold still fresh water;freeze in a cold winter;attract swimmers in summer
islands|island|have water on every side;are home to rare animals;can rise from the sea floor
glaciers|glacier,ice|move slowly down valleys;are made of packed snow;hold much fresh water
caves|cave,cavern|form where water wears away rock;stay cool all year;give bats a home
oranges|orange,citrus|grow in warm places;are full of juice;have a thick skin
carrots|carrot|grow as roots in soil;taste sweet when cooked;were once purple
onions|onion|make cooks cry;grow in layers;add taste to many meals
pancakes|pancake,batter|are fried in a flat pan;taste good with syrup;need only flour and milk and eggs
buses|bus|carry people through the city;stop at set places;save space on the road
tractors|tractor,farm,plow|pull heavy tools on farms;have huge rear wheels;work in wet soil
lighthouses|lighthouse,ship,light|warn ships of rocks;stand on the coast;send out a bright beam
hospitals|hospital,patient,doctor|care for sick people;stay open all night;need many nurses
violins|violin,string,bow|are played with a bow;sing with four strings;are carved from wood
windows|window,glass|let in light and air;are made of glass;keep out the cold
umbrellas|umbrella,rain|keep us dry in the rain;fold into a small stick;turn over in strong wind
letters|letter,mail,write|carry news on paper;travel in envelopes;take days to arrive
"""

_UNSEEN = """
wolves|wolf,wolves|live and hunt in packs;howl to call each other;care for their young together
lions|lion,lioness|live in groups called prides;sleep through the hot day;roar across the plain
camels|camel|store fat in their humps;walk far without water;close their noses against sand
parrots|parrot|copy the sounds they hear;crack nuts with strong beaks;live for many years
sharks|shark|have no bones;grow new teeth all their lives;smell blood from far away
crabs|crab|walk sideways on the beach;wear a hard shell;hold food with their claws
bats|bat|find their way by echoes;sleep upside down;eat insects at night
hedgehogs|hedgehog,spine|roll up when afraid;wear thousands of spines;eat beetles and worms
beaches|beach,sand,shore|are shaped by the waves;feel warm in summer;hold shells and small stones
waterfalls|waterfall,fall|drop over cliffs of hard rock;fill the air with mist;roar after heavy rain
meadows|meadow,grass|bloom in early summer;feed bees and butterflies;are cut for hay
planets|planet,orbit|travel around a star;can be rock or gas;have moons of their own
grapes|grape,vine|grow on long vines;become raisins when dried;are pressed for juice
mushrooms|mushroom,fungi,fungus|grow in damp and shady places;feed on dead wood;are not plants
pumpkins|pumpkin,squash|grow on vines along the ground;can become very heavy;make a thick soup
cookies|cookie,bake,baking|are baked on flat trays;taste best when warm;often hold bits of chocolate
rockets|rocket,space,launch|push hot gas downward;leave the air behind;carry people into space
tunnels|tunnel|lead roads through hills;take years to dig;protect trains from snow
theaters|theater,theatre,stage,play|show plays on a stage;seat many people;go dark before the start
bakeries|baker,bread,bake|open early in the morning;smell of fresh bread;sell cakes for parties
flutes|flute|make sound from moving air;are held to one side;sound high and clear
blankets|blanket|keep us warm at night;are woven from wool;lie folded on the bed
ladders|ladder|help people climb;lean against walls;have steps called rungs
compasses|compass,north|point to the north;hold a small magnet;guide sailors home
"""


def _parse(table: str) -> tuple[Topic, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(
        Topic(name, tuple(stems.split(",")), tuple(facts.split(";"))) for name, stems, facts in rows
    )


TOPICS: dict[Split, tuple[Topic, ...]] = {
    Split.TRAIN: _parse(_TRAIN),
    Split.HELDOUT: _parse(_HELDOUT),
    Split.UNSEEN: _parse(_UNSEEN),
}
BY_NAME: dict[str, Topic] = {topic.name: topic for topics in TOPICS.values() for topic in topics}
