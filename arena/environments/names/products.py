"""Products that need a name, with what the coded writer knows about them.

Each product belongs to one split. Columns: the product in a sentence | stems for coined names |
what it lets people do, as verb phrases of two to four words without capitals.
"""

from dataclasses import dataclass

from arena.environments.base import Split


@dataclass(frozen=True)
class Product:
    """Something to be sold."""

    description: str
    stems: tuple[str, ...]
    benefits: tuple[str, ...]


_TRAIN = """
a kettle that whistles a tune|kettl,steam,boil|hear your tea;boil with joy
a lamp that wakes you with soft light|lumi,glow,dawn|wake up gently;greet the sun
a backpack that charges your phone|pack,volt,trek|carry your power;stay charged outside
a bottle that keeps soup hot all day|therm,soup,flask|keep lunch warm;eat hot anywhere
a bicycle that folds into a bag|fold,pedal,wheel|ride and fold;leave traffic behind
a chair that corrects your posture|sit,spine,chair|sit up straight;rest your back
an app that reminds you to drink water|aqua,sip,drop|remember every sip;stay well hydrated
an app that matches dogs with walkers|paw,stroll,wag|walk every dog;meet happy dogs
a garden that grows on the windowsill|sprout,herb,leaf|grow your salad;pick fresh herbs
a pillow for people who sleep on trains|nap,rail,doze|sleep between stations;rest on rails
an umbrella that never turns over|brella,gust,dry|beat the wind;walk out dry
a pair of shoes made of old tires|tread,sole,tire|walk a cleaner road;wear out nothing
a coffee that is roasted next door|roast,bean,brew|taste the neighborhood;sip it fresh
a bakery that delivers before sunrise|crust,loaf,crumb|wake to fresh bread;skip the queue
a clock without hands that tells time by scent|scent,tick,aroma|smell the hour;breathe in time
a robot that cleans windows|pane,gleam,wipe|see the sky clearly;forget the ladder
a notebook that erases itself|blank,page,scribe|write and start over;save every tree
a toothbrush that plays songs for children|brush,tooth,giggle|brush until the chorus;love clean teeth
a tent that sets itself up|camp,canvas,nest|camp in seconds;sleep under stars
a soap made from kitchen oil|suds,lather,soap|wash with leftovers;waste no drop
a toy train that teaches counting|rail,count,choo|count every wagon;learn by play
a map for walking without a phone|path,trail,map|find your way;walk off line
a hotel for cats|purr,whisk,lodge|travel without worry;spoil your cat
a radio that only plays rain|drizzle,rain,wave|fall asleep fast;hear the storm
a fridge that suggests recipes|chill,crisp,cook|cook what you have;waste no food
a scarf with pockets|wool,warm,wrap|keep your keys warm;wrap up smart
a bus that comes when you call it|hop,ride,hail|ride without waiting;skip the timetable
a game that trains your memory|recall,mind,spark|remember every name;sharpen your mind
a pen that warns of spelling mistakes|ink,quill,spell|write without fear;spell it right
a school for grandparents who want to code|code,sage,byte|learn new tricks;build your own app
a candle that smells like old books|wick,tome,wax|read by scent;light a story
a box of spices for beginners|spice,zest,pinch|season like a chef;taste the world
"""

_HELDOUT = """
a blanket that cools in summer|breeze,cool,frost|sleep through heat;stay cool tonight
a lock that opens with a song|latch,chord,tune|sing yourself in;forget your keys
a cup that tells how sweet a drink is|sip,sweet,cup|know your sugar;drink with care
a drone that waters fields|hover,rain,field|water from above;save every plant
an app that lends tools to neighbors|tool,lend,share|borrow a drill;know your street
a mattress made of seaweed|kelp,tide,dream|sleep like the sea;dream on waves
a helmet with lights for cyclists|beam,ride,flash|be seen tonight;ride with light
a shop that repairs old toys|mend,toy,fix|save a friend;mend what they love
a tea that tastes of apple pie|pie,leaf,apple|drink your dessert;taste the orchard
a ladder that fits into a drawer|step,rung,climb|reach every shelf;climb and store
a library on wheels|tome,roll,shelf|borrow at your door;read on your street
a watch that counts kind deeds|kind,tick,heart|count what matters;do one more deed
a swing for two grown people|sway,glide,duo|swing like children;fly side by side
a camera for birds in the garden|wing,peep,lens|meet your birds;watch them land
a jam made from city fruit|jam,berry,plum|taste your street;spread the city
a ferry that runs on the sun|sol,wave,deck|cross without smoke;sail on light
"""

_UNSEEN = """
a hammock for offices|sway,laze,desk|rest between meetings;hang up stress
a plant that glows at night|glow,fern,moon|read by leaves;light the room green
a museum of lost socks|sock,pair,knit|find your pair;laugh at laundry
a bread knife for left hands|slice,left,edge|cut it your way;slice with ease
a choir for people who cannot sing|hum,choir,voice|sing it anyway;find your voice
a raincoat made of paper|sheet,drip,coat|wear the news;stay dry and light
a lunch box with a small oven|bake,box,crisp|bake at your desk;eat it crisp
a taxi for bicycles|haul,spoke,lift|skip the hill;ride one way
a phone with one button|one,dial,tap|call who you love;press and talk
a carpet that counts steps|tread,weave,step|move more indoors;count each step
a school bus on water|splash,row,pupil|float to class;learn by boat
a perfume that smells of snow|flake,frost,snow|wear the winter;smell the first snow
a theater in a phone booth|stage,booth,act|see a play alone;stop for a story
a cheese made on a boat|rind,salt,curd|taste the sea air;slice the ocean
a ski for sand|dune,glide,ski|ride the dunes;carve the desert
a piano that fits under a bed|key,chord,slide|play before sleep;practice in secret
"""


def _parse(table: str) -> tuple[Product, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(
        Product(description, tuple(stems.split(",")), tuple(benefits.split(";")))
        for description, stems, benefits in rows
    )


PRODUCTS: dict[Split, tuple[Product, ...]] = {
    Split.TRAIN: _parse(_TRAIN),
    Split.HELDOUT: _parse(_HELDOUT),
    Split.UNSEEN: _parse(_UNSEEN),
}
