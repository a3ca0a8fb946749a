"""Lines for the coded poet: within a family, every line rhymes with every other.

`{name}` is a topic in the plural ("cats"); the lines hold for any topic. A line has LINE_SYLLABLES, in an
acrostic seven, and of those that name the topic there is one for names of each length.
"""

LINE_SYLLABLES = 8
RHYMES: tuple[tuple[str, ...], ...] = (
    (
        "I think of {name} in the night",
        "And {name} fill me with delight",
        "I tell of {name} as well I might",
        "Of {name} I love to write",
        "They wait for me in morning light",
        "What else could make the day so bright",
        "I look again, a lovely sight",
        "And all at once the world feels right",
    ),
    (
        "I met some {name} on my way",
        "I dream of {name} every day",
        "I met a lot of {name} today",
        "I like {name} come what may",
        "They always find a thing to say",
        "I wish that they would always stay",
        "They turn to gold what once was gray",
        "The hours pass like games we play",
    ),
    (
        "Of all the {name} that I know",
        "I see how {name} come and go",
        "To {name} I gladly say hello",
        "I met {name} long ago",
        "Some hurry by and some are slow",
        "They shine beneath the falling snow",
        "And in the dusk they seem to glow",
        "A gentle wind begins to blow",
    ),
    (
        "I sing of {name} all year long",
        "The world of {name} is a song",
        "I walk with {name} and hum along",
        "For {name} I strike the gong",
        "They know the place where they belong",
        "So quiet, patient, sure and strong",
        "With them I feel no day goes wrong",
        "Apart from all the noisy throng",
    ),
    (
        "No one but {name} ever knew",
        "The tale of {name} must be true",
        "From my own window, {name} in view",
        "My love of {name} just grew",
        "They greet the sky of early blue",
        "They make the world seem fresh and new",
        "I keep the thought to share with you",
        "And wake up with the morning dew",
    ),
    (
        "Oh let me be where {name} are",
        "For {name} I would travel far",
        "I'd follow {name} by train or car",
        "I sing {name} bar by bar",
        "They guide me like an evening star",
        "And leave the door a bit ajar",
    ),
    (
        "When I see {name} in the spring",
        "What joy the sight of {name} can bring",
        "Let {name} come on the wing",
        "My heart begins to dance and sing",
        "I would not change a single thing",
        "I hear the distant church bells ring",
    ),
    (
        "Dear {name} keep a secret deep",
        "I count the {name} in my sleep",
        "When {name} are gone, I want to weep",
        "At {name} I take a peep",
        "They are a treasure I will keep",
        "The road to them is long and steep",
        "And through the grass the shadows creep",
    ),
)
# For acrostics; {name} appears in exactly one line of a poem.
BY_INITIAL: dict[str, tuple[str, ...]] = {
    "a": ("All day I think of {name}", "Always near and always kind", "All the {name} are here"),
    "b": ("Bright and early they appear", "Beside {name} I sit and rest"),
    "c": ("Calm and quiet is the day", "Come and look at {name} with me"),
    "d": (
        "Deep within the fading light",
        "Dreams of {name} fill the air",
        "Do you hear {name} now",
    ),
    "e": ("Even now they make me smile", "Even {name} need some rest"),
    "f": ("Far away I hear them still", "For {name} I would walk a mile"),
    "g": ("Gentle as a summer rain", "Good old {name} make me smile"),
    "h": (
        "How I love the sight of {name}",
        "Here they are and here they stay",
        "How {name} fill my heart",
    ),
    "i": ("I have seen {name} many times", "In the evening all is calm", "I love {name} so much"),
    "l": ("Let me tell you of the {name}", "Long ago it all began", "Look how {name} grow old"),
    "m": ("Many days have come and gone", "My heart is full of {name}", "May {name} be with us"),
    "n": ("Never far from where I am", "Now the {name} are all around"),
    "o": (
        "Over hills and over fields",
        "Oh how {name} brighten the day",
        "Oh how {name} shine bright",
    ),
    "p": ("Patient through the longest night", "Praise the {name} that we know"),
    "r": ("Resting in the afternoon", "Remember {name} as they are"),
    "s": ("So much wonder in this world", "See the {name} in the sun", "See the {name} at rest"),
    "t": ("There is nothing quite like {name}", "Time moves slowly on its way"),
    "u": ("Under stars that softly shine", "Until {name} are here again"),
    "w": ("We will meet them on the road", "What would life without {name} be"),
}
