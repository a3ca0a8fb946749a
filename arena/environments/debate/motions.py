"""Motions with arguments for and against, as the coded debater knows them.

Each motion belongs to one split. Columns: the motion | three arguments for it | three against, a
sentence each.
"""

from dataclasses import dataclass

from arena.environments.base import Split


@dataclass(frozen=True)
class Motion:
    """Something to be for or against."""

    text: str
    arguments: tuple[tuple[str, ...], tuple[str, ...]]  # for, against


_TRAIN = """
Schools should start an hour later.|Teenagers need more sleep than early bells allow them to get.;Pupils who are awake learn faster and make fewer mistakes.;Fewer tired drivers and cyclists would be on the roads at dawn.|Parents have to be at work long before a late bell would ring.;Sports and music would move into the dark hours of the evening.;Going to bed earlier solves the problem without changing every timetable.
Every pupil should learn to play an instrument.|Practice teaches patience, and patience helps in every other subject.;Children from poor homes would get a chance that only some have now.;Playing together shows a class how to listen to each other.|Not every child likes music, and force kills the joy of it.;Instruments and teachers cost money that reading lessons need more urgently.;Many pupils would rather spend those hours on sport or science.
Homework should be abolished.|Children have the right to rest after a full day of lessons.;Homework rewards those whose parents have the time to help.;Teachers could spend their evenings planning lessons instead of marking sheets.|Practice at home makes what was learned in class stay.;Working alone prepares pupils for jobs where nobody stands beside them.;Without homework, parents would hardly know what their children are learning.
Cities should ban private cars from their centers.|Streets without cars are quieter, cleaner and safer for everyone who walks.;Buses and bicycles carry far more people in the same space.;Shops gain when people stroll past them instead of driving by.|Old and disabled people often depend on a car at the door.;Workers from villages without a bus would be shut out.;Traffic would only move to the districts around the center.
Public transport should be free.|Free buses get drivers out of their cars and clear the roads.;Poor families could reach jobs and schools that they cannot afford to reach now.;Nobody would have to pay for machines, tickets and inspectors any more.|Somebody has to pay, and taxpayers in the country would pay for city trains.;Money for fares is better spent on more lines and later buses.;People who walk today would fill the seats without saving any traffic.
Bicycle helmets should be required by law.|A helmet prevents many of the worst injuries to the head.;Everyone pays for hospital care, so everyone may ask for care in traffic.;Children copy adults, and a law would reach both of them.|Such laws make people cycle less, which harms their health more.;Safe lanes prevent accidents, while a helmet only softens them.;Police have more important things to do than to stop cyclists.
Zoos do more good than harm.|Several species are alive today only because zoos have bred them.;Children who meet an animal care about its home later.;Keepers learn things about animals that help to protect wild ones.|Wide-ranging animals suffer in pens, however well they are built.;Money for cages would protect far more animals in the wild.;A film shows how an animal lives, a cage shows only its boredom.
Supermarkets should have to give away food that they cannot sell.|Good food rots in bins while families nearby go hungry.;Throwing less away saves the water and work that went into it.;Shops would plan better if waste were no longer the easy way.|Sorting and driving old food costs more than it is often worth.;Charities should not become a bin for what shops bought too much of.;Shops would be blamed if somebody fell ill from an old yogurt.
Everyone should plant a tree once in their life.|Each tree gives shade, clean air and a home to birds.;Something that grows for decades teaches people to think ahead.;If all did it, whole hillsides could turn green again.|Trees in the wrong place dry out meadows and block the light.;Most people have no land, and many trees would die untended.;Protecting old forests helps the climate more than new saplings do.
Plastic bags should be banned.|Bags drift into rivers and seas, where animals swallow them.;A cloth bag lasts for years and costs little.;Bans in many countries have shown that people get used to it fast.|A cotton bag has to be used very often to be better than plastic.;People reuse thin bags for rubbish and would buy thicker ones.;Deposits and bins would catch the waste without forbidding anything.
Phones should be banned in classrooms.|Every message that arrives pulls a whole row out of the lesson.;Pupils talk to each other again when the screens are gone.;Cheating and bullying by phone would stop at the door.|A phone is a dictionary, a camera and a calculator in one.;Children must learn to use the tools that adults use daily.;Parents want to reach their child when something happens on the way.
Children should not use social media before they are sixteen.|Endless scrolling takes sleep and calm from the youngest users.;Companies design the feeds so that children cannot stop.;Friends who meet in person learn to settle their quarrels.|A ban would be broken at once and drive children to worse places.;Lonely children find others like them only on the net.;Parents know their own child better than any law does.
Robots should do all dangerous work.|No wage is worth a life that a machine could have spared.;Machines can bear heat, poison and depth that people cannot.;Workers could move to jobs that are safer and more pleasant.|Machines fail in surprises, and then a person has to decide.;Whole towns live from mines and yards and would lose their income.;Rescue depends on courage and judgment that no robot has.
A four-day week should become the norm.|Rested people do in four days what tired ones do in five.;Parents would gain a day for their children and themselves.;One trip to work less in each week saves fuel and time.|Hospitals, shops and schools need people on every day.;Longer days would leave workers more tired than before.;Small firms cannot pay the same wage for less time.
Working from home is better than working in an office.|Hours that were lost in traffic become hours for family or sleep.;A quiet room lets people finish what meetings would interrupt.;People can live where rents are low and still have a good job.|New colleagues learn from those who sit beside them.;At home, work creeps into the evening and never quite ends.;Chance meetings in the corridor bring ideas that no call brings.
Museums should be free for everyone.|Works that belong to the public should be open to the public.;Families who count every coin would come in on a rainy day.;Visitors without a ticket come again and stay in the cafe.|Repairs and guards cost money, and visitors can pay a little.;Tourists would fill the halls at the cost of local taxpayers.;People value more what they have paid something for.
"""

_HELDOUT = """
Summer holidays should be shorter.|Pupils forget in ten weeks much of what they had learned.;Working parents struggle to find care for so many weeks.;Several shorter breaks rest children better than one long one.|Children need one long time in the year without any plan.;Classrooms are too hot to learn in during those weeks.;Farms, camps and families have built their year around it.
Cities should build higher instead of wider.|Towers save fields and forests from being paved over.;Short ways let people walk to work and to the shops.;More homes in one place bring the rents down.|Tall houses throw shade and wind on the streets below.;Neighbors hardly meet when they live on thirty floors.;Lifts and steel cost more energy than low brick houses.
Every home should collect rainwater.|Gardens do not need water that was cleaned for drinking.;Tanks keep cellars dry when a storm hits the town.;In dry summers, each barrel takes a load off the wells.|Tanks cost money that many households do not have.;Standing water is a nursery for mosquitoes.;A city can store rain far more cheaply in one large basin.
Books on paper are better than books on screens.|Readers remember more of what they have read on paper.;A paper book needs no power and distracts with no message.;One can lend it, inherit it and write into its margin.|A reader for screens holds a library and fits into a pocket.;Letters can be made larger for eyes that are weak.;No tree has to fall and no truck has to drive for it.
Sports days at schools should have no winners.|Slow children learn to love moving when nobody ranks them.;A team that plays for fun cheats and quarrels less.;Effort can be praised for every child, victory for only one.|Losing in a game is the gentlest way to learn to lose.;Fast runners deserve their moment just as good readers do.;Children count the points anyway, whatever adults tell them.
Exams should allow open books.|At work, everybody may look things up, so exams should too.;Questions would test thinking instead of memory.;Calm candidates show better what they really understand.|Who has to search for basics cannot build anything on them.;Time would go into turning pages instead of solving problems.;Knowing things by heart makes thinking fast and free.
Dogs should be allowed in offices.|A dog under the desk lowers the stress of a whole room.;Owners need not hurry home or pay somebody for walks.;Colleagues who pass a friendly dog begin to talk.|Some people are allergic, and others are afraid of dogs.;Barking breaks the thought of everyone who has to focus.;An office chair and neon light are no life for a dog.
Tourists should pay a fee to visit old towns.|Visitors wear out streets that residents pay to repair.;A small fee on busy days would spread the crowds.;Money from guests could keep flats affordable for locals.|A town with a gate and a ticket becomes a theme park.;Poor travelers would be kept out while rich ones still come.;Hotels and cafes already pay taxes that visitors bring.
Letters should be delivered only twice a week.|Hardly anything in the mail is urgent in our time.;Fewer rounds save fuel and make room for parcels.;Carriers could serve more streets without longer days.|Old people still wait for pensions and medicine by mail.;Small papers live from being read on the day itself.;Service that gets worse drives away the last customers.
Everyone should learn a second language at school.|A second language opens jobs, books and friendships abroad.;Comparing two grammars makes the first one clearer.;Travelers who speak with their hosts judge them less harshly.|Machines translate well enough for most of daily life.;Weak readers need those lessons for their own language.;Most pupils forget it, because they never use it again.
Playgrounds should be a little dangerous.|Children learn their limits by climbing to where it tingles.;Bored children find risks elsewhere, in streets and on tracks.;Scraped knees heal, but fear of everything stays.|Parents trust the city to build what does not break bones.;Small children follow big ones up to places they cannot leave.;A good designer makes a place exciting without real danger.
Restaurants should offer only one menu a day.|One good dish is fresher than forty from the freezer.;Cooks who plan for one meal throw hardly anything away.;Guests who need not choose have more time to talk.|People with allergies could not eat there at all.;Families with picky children would have to stay at home.;Choice is the reason why many go out to eat.
"""

_UNSEEN = """
Humans should settle on Mars.|A second home protects mankind from a blow to the first.;Hard goals bring inventions that help on Earth, too.;Curiosity has always led people across the next ocean.|The money would heal much of the planet that we have.;Nobody can give consent for children born in a tin can.;Rovers find out the same for a small part of the price.
Late fame is better than early fame.|The work speaks for itself when nobody courts the author.;A quiet life leaves the time that great works need.;Late fame lasts, while the early kind fades within years.|Joy and bread are of use only to the living.;A living artist can answer and grow with the public.;Nobody can enjoy a statue of themselves from the grave.
All clocks should show the same time everywhere.|Nobody would miss a call because of a zone again.;Trains and planes would need one table instead of many.;Each place could choose its own hours of work freely.|Noon would fall into the night for half of the world.;People would still have to ask when others are awake.;The sun has set the rhythm of bodies for ages.
Museums should return everything that was taken.|What was stolen stays stolen, however well it is lit.;People should be able to see their past where they live.;Returning a treasure can begin a friendship between states.|Many pieces survived only because they had been moved.;In world museums, cultures can be seen side by side.;Often nobody can say who the rightful owner is today.
Money should have an expiry date.|Coins that rot are spent, and trade comes alive.;Nobody could hoard power for generations without any work.;Loans would be cheap because nobody wants to sit on cash.|Saving for old age would become nearly impossible.;People would buy useless things only to be rid of money.;The rich would flee into gold and land at once.
Birthdays should be celebrated only every ten years.|A rare feast is prepared with more love and care.;Shelves would not fill with gifts that nobody wanted.;Adults would stop dreading one more number each year.|A child of seven cannot wait until the age of ten.;Friends would lose a reason to meet in each year.;Bakers and florists live from these small feasts.
Animals should have a lawyer in court.|Those who cannot speak need somebody who speaks for them.;Laws against cruelty are hollow if nobody may sue.;Courts already let firms and ships have a voice.|Nobody can know what a cow would tell her lawyer.;Judges are too busy already with the quarrels of people.;Farmers would drown in suits from people far away.
Art made by machines is real art.|What moves a viewer is art, whoever held the brush.;Cameras were once called machines without a soul, too.;Choosing and shaping the result takes taste and will.|Art needs somebody who has lived and has something to say.;A machine mixes the work of others and signs it.;If effort costs nothing, the result soon means nothing.
"""


def _parse(table: str) -> tuple[Motion, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(
        Motion(text, (tuple(arguments.split(";")), tuple(others.split(";"))))
        for text, arguments, others in rows
    )


MOTIONS: dict[Split, tuple[Motion, ...]] = {
    Split.TRAIN: _parse(_TRAIN),
    Split.HELDOUT: _parse(_HELDOUT),
    Split.UNSEEN: _parse(_UNSEEN),
}
BY_TEXT: dict[str, Motion] = {
    motion.text: motion for motions in MOTIONS.values() for motion in motions
}
