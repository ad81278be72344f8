# %% [markdown]
# # 09. Family trees, and what a code can mean
#
# The second example of Rumelhart, Hinton and Williams (Nature 323, 533-536, 1986) is the one that gave the
# paper its title, "Learning representations by back-propagating errors".  Two families, one English, one
# Italian, are of the same shape:
#
# ```
#     Christopher = Penelope                    Andrew = Christine
#          .---------+---------.              .----------+----------.
#   Margaret = Arthur       Victoria = James       Jennifer = Charles
#                                .----+----.
#                              Colin   Charlotte
# ```
#
# A network is given a person and a relation, "Colin" and "aunt", and shall name the answer.  To the network
# a name is one input of 24, and every name is as far from every other as can be.  Nothing says who is
# English, who is old, who is a brother.  It has to find out that this matters.

# %%
from pathlib import Path
from random import Random

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

import microbp
from microbp import SGD, Layer, compile, relu

STARTS = 20
TRIES = 3
matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## The trees as numbers
#
# Couples and their children are enough; all else follows.  An uncle, for instance, is a man among the
# parents' siblings and those they are married to.

# %%
ENGLISH = (
    "Christopher Penelope Andrew Christine Margaret Arthur Victoria James Jennifer Charles Colin Charlotte"
)
ITALIAN = "Roberto Maria Pierro Francesca Gina Emilio Lucia Marco Angela Tomaso Alfonso Sophia"
PEOPLE = ENGLISH.split() + ITALIAN.split()
# Husband, wife, children: by their places among the twelve people of either family.
COUPLES = [(0, 1, [5, 6]), (2, 3, [7, 8]), (5, 4, []), (7, 6, [10, 11]), (9, 8, [])]
MEN = {0, 2, 5, 7, 9, 10}

men = {PEOPLE[k + family] for family in (0, 12) for k in MEN}
spouse, parents = {}, {person: [] for person in PEOPLE}
for family in (PEOPLE[:12], PEOPLE[12:]):
    for husband, wife, offspring in COUPLES:
        couple = family[husband], family[wife]
        spouse.update([couple, couple[::-1]])
        parents.update((family[child], list(couple)) for child in offspring)


def married(person):
    return [spouse[person]] if person in spouse else []


def children(person):
    return [other for other in PEOPLE if person in parents[other]]


def siblings(person):
    return [other for other in PEOPLE if parents[person] == parents[other] != [] and other != person]


def uncles_and_aunts(person):
    blood = [other for parent in parents[person] for other in siblings(parent)]
    return blood + [other for relative in blood for other in married(relative)]


def nephews_and_nieces(person):
    return [other for other in PEOPLE if person in uncles_and_aunts(other)]


RELATIVES = {
    ("father", "mother"): parents.get,
    ("husband", "wife"): married,
    ("son", "daughter"): children,
    ("uncle", "aunt"): uncles_and_aunts,
    ("brother", "sister"): siblings,
    ("nephew", "niece"): nephews_and_nieces,
}
RELATIONS = [relation for pair in RELATIVES for relation in pair]

answers = {}
for person in PEOPLE:
    for (male, female), relatives in RELATIVES.items():
        for other in relatives(person):
            answers.setdefault((person, male if other in men else female), []).append(other)

CASES = list(answers)
print(f"{sum(map(len, answers.values()))} facts, and {len(CASES)} questions   (published: 104 triples)")
print("Colin's aunts:", *answers["Colin", "aunt"])

# %% [markdown]
# The paper counts 104 "triples".  The trees hold 112 of the form person, relation, person; 104 is the
# number of different *questions*, of which 8 have two answers, such as that for Colin's aunt, which the
# paper shows.
#
# A question is a vector of 24 + 12 numbers with a 1 for the person and a 1 for the relation, an answer one
# of 24 numbers with a 1 for each right person.

# %%
QUESTIONS = np.array(
    [
        [float(p == person) for p in PEOPLE] + [float(r == relation) for r in RELATIONS]
        for person, relation in CASES
    ]
)
RIGHT = np.array([[float(p in answers[case]) for p in PEOPLE] for case in CASES])

# %% [markdown]
# ## The network
#
# Fig. 3 of the paper: the person goes to 6 units of its own and the relation to 6 of its own, these lead to
# 12, these to 6, these to the 24 outputs.  No class is needed: layers are functions of Values.

# %%
people, relations = Layer(24, 6, number=1), Layer(12, 6, number=2)
centre, penultimate, output = Layer(12, 12, number=3), Layer(12, 6, number=4), Layer(6, 24, number=5)
PARAMETERS = [p for part in (people, relations, centre, penultimate, output) for p in part.parameters()]


def network(x):
    return output(penultimate(centre(people(x[:24]) + relations(x[24:]))))


# %% [markdown]
# So that no large weights are needed, the error "was considered to be zero" where a unit that should be on
# is above 0.8 and one that should be off below 0.2 (caption of Fig. 4).  As a formula: from (y - t)² we
# take off 0.2², and count nothing below 0.  Where the error counts, its derivative is y - t as ever.


# %%
def error(ys, ts):
    return microbp.sum([relu((y - t) ** 2 - 0.2**2) for y, t in zip(ys, ts)]) / 2


# %% [markdown]
# After each change every weight is made smaller by 0.2 %.  That is a rule of its own, and an optimizer of
# one's own is a rule for one number: the change, and what to remember of it.


# %%
class DecayingSGD(SGD):
    """Gradient descent with momentum that takes 0.2 % off every weight after each change."""

    def change(self, data, grad, memory):
        change, memory = super().change(data, grad, memory)
        return change - 0.002 * (data + change), memory


print(f"{len(PARAMETERS)} weights and biases")

# %% [markdown]
# ## As published, and as it learns
#
# Trained are 100 of the questions; four, drawn anew for each start, are held out.  There are 1,500 sweeps,
# the first 20 with a learning rate of 0.005 and a momentum of 0.5, the others with a momentum of 0.9 and a
# rate that copies of the caption give as 0.01 or as 0.001.  How the weights begin it does not say of this
# network.  That of the first example began within ±0.3.

# %%
program = compile(lambda x, t: error(network(x), t), parameters=PARAMETERS)
respond = compile(network)


def begin(seed, width):
    random = Random(seed)
    for parameter in PARAMETERS:
        parameter.data = random.uniform(-width, width)
    return random


def learn(seed, width, rate):
    """Train on all questions but four; returns which are trained, which not, and the outputs for all."""
    held_out = begin(seed, width).sample(range(len(CASES)), 4)
    trained = [k for k in range(len(CASES)) if k not in held_out]
    optimizer = DecayingSGD(lr=0.005, momentum=0.5)
    program.train(QUESTIONS[trained], RIGHT[trained], optimizer, 20, reduction="sum")
    optimizer.lr, optimizer.momentum = rate, 0.9
    program.train(QUESTIONS[trained], RIGHT[trained], optimizer, 1480, reduction="sum")
    return trained, held_out, respond(QUESTIONS)


def are_right(outputs):
    """Of each question, whether all 24 outputs are on the right side of 0.5."""
    return ((outputs > 0.5) == (RIGHT > 0.5)).all(axis=1)


print("weights begin within   rate   questions learned, of 100, and the outputs after the last start")
for width, rate in [(0.3, 0.001), (0.3, 0.01), (0.3, 0.05), (2, 0.01), (2, 0.05)]:
    learned = []
    for seed in range(TRIES):
        trained, _, outputs = learn(seed, width, rate)
        learned.append(int(are_right(outputs)[trained].sum()))
    span = f"outputs {outputs.min():.2f} to {outputs.max():.2f}"
    print(f"{width:>20}  {rate:>5}  ", *(f"{count:3}" for count in learned), f"  {span}")

# %% [markdown]
# With ±0.3 and either rate nothing at all is learned: every output is near 0.2, where an error begins to
# count, whatever is asked.  Why?  What comes down to the weights of the people has passed four layers of
# sigmoids, each of which shrinks it.  We measure the gradient at the start and what it can do: with a
# momentum of 0.9 a steady gradient g moves a weight by rate / (1 - 0.9) g each sweep, and the decay moves
# it by 0.002 w.


# %%
def magnitude(numbers):
    return float(np.sqrt(np.mean(np.square(numbers))))


def forces(layer, rate):
    """The typical gradient of a layer's weights, and the gradient's push in parts of the decay's pull."""
    weights = [weight for unit in layer for weight in unit.weights]
    gradient = magnitude([weight.grad for weight in weights])
    return gradient, rate / (1 - 0.9) * gradient / (0.002 * magnitude([weight.data for weight in weights]))


for width, rate in [(0.3, 0.01), (2, 0.05)]:
    begin(0, width)
    program.value_and_grad(QUESTIONS, RIGHT, reduction="sum")
    for name, layer in [("people to 6 units", people), ("6 units to outputs", output)]:
        gradient, push = forces(layer, rate)
        print(f"±{width}, rate {rate}, {name:18}  gradient {gradient:7.4f}, push / pull {push:7.1f}")

# %% [markdown]
# The gradient of the first weights is smaller than that of the last by a factor of thousands, and the decay
# wins: it takes from the weights of the people more than learning can give.  With larger first weights more
# of the gradient arrives, and with a rate five times that of the paper it outweighs the decay.  (What
# happens to deltas from layer to layer is the subject of a later chapter.)  We go on with ±2 and 0.05.  All
# else is as published.
#
# ## The questions that were held out
#
# The paper's network answered all four.  In his lectures Hinton gives "about 3/4 correct" (*Neural Networks
# for Machine Learning*, 2012, lecture 4a, where 108 of the 112 facts are trained), and adds that this is
# good for a 24-way choice.  From many starts, each with four other questions held out:


# %%
def are_highest(outputs):
    """Of each question, whether its right answers have the highest outputs: the weaker demand."""
    lowest_right = np.where(RIGHT > 0.5, outputs, 1).min(axis=1)
    return lowest_right > np.where(RIGHT > 0.5, 0, outputs).max(axis=1)


def code():
    """The weights from the 24 people to each of their six units."""
    return np.array([[weight.data for weight in unit.weights] for unit in people])


runs = []
for seed in range(STARTS):
    trained, held_out, outputs = learn(seed, width=2, rate=0.05)
    right, highest = are_right(outputs), are_highest(outputs)
    runs.append((code(), right[trained].sum(), right[held_out].sum(), highest[held_out].sum()))
codes, learned, answered, ranked = zip(*runs)

print(f"questions learned, of 100: {min(learned)} to {max(learned)}, mean {np.mean(learned):.1f}")
print(f"held-out questions right: {sum(answered)} of {4 * STARTS}   (published, one start: 4 of 4)")
print(f"right answers highest:    {sum(ranked)} of {4 * STARTS}   (Hinton's lecture: about 3/4)")
for count in range(5):
    print(f"    {count} of 4 highest: {ranked.count(count):2} starts")

# %% [markdown]
# So the network does generalise, far above the 1 in 24 of a guess, and less often than in the published
# run; which four are held out matters, and the paper does not say which its were.
#
# ## What the six units mean
#
# The weights from the people to their six units are a code, six numbers for each person, and the paper
# reads three things out of it in its Fig. 4: a unit for nationality, one for generation, and one for the
# branch of the family.  We ask of each feature how well the *best* of the six units follows it, by the
# correlation of its 24 weights with the feature, before and after training.  Six random units have a best
# one too.

# %%
FEATURES = {
    "nationality": [1] * 12 + [-1] * 12,
    "generation": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, -1, -1] * 2,
    "branch": [1, 1, -1, -1, 1, 1, 1, -1, -1, -1, 0, 0] * 2,
    "sex": [1 if person in men else -1 for person in PEOPLE],
}


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def best(feature, code):
    return max(abs(correlation(weights, FEATURES[feature])) for weights in code)


first_codes = []
for seed in range(STARTS):
    begin(seed, width=2)
    first_codes.append(code())

for feature in FEATURES:
    before, after = (np.mean([best(feature, code) for code in each]) for each in (first_codes, codes))
    print(f"{feature:12} best of six units: {before:.2f} before, {after:.2f} after training")

# %% [markdown]
# Nationality, generation and branch are found, though nothing in a question or an answer mentions them:
# they are what the questions have in common.  And sex, as plain a fact about a person as any, is not even
# kept as well as chance had it.  It is of no use here.  Whether the answer is a man is said by the
# relation, and whether the one who asks is does not matter.
#
# A code for roles that ignores nationality would serve both families.  Is that what makes the network
# generalise?  We measure how alike the two rows of a unit are, the English and the Italian, and compare the
# half of the starts where they are most alike with the other half.


# %%
def likeness(code):
    return np.mean([correlation(weights[:12], weights[12:]) for weights in code])


order = sorted(range(STARTS), key=lambda start: likeness(codes[start]))
for name, half in [("less alike", order[: STARTS // 2]), ("more alike", order[STARTS // 2 :])]:
    mean = np.mean([likeness(codes[start]) for start in half])
    right = sum(ranked[start] for start in half)
    print(f"codes {name} (mean correlation {mean:.2f}): {right} of {4 * len(half)} held-out questions")

# %% [markdown]
# That leans the way the paper's explanation says.  With so few questions it is no proof.
#
# ## The picture
#
# As in Fig. 4 of the paper: for each unit its weights from the English people above and from the Italians
# below them, area for magnitude, for the first of our starts.  A unit is named after the feature it follows
# best.


# %%
def draw_unit(ax, weights, largest):
    for k, weight in enumerate(weights):
        side, (row, column) = np.sqrt(abs(weight) / largest), divmod(k, 12)
        colour = "#e66101" if weight > 0 else "#5e3c99"
        ax.add_patch(plt.Rectangle((column - side / 2, row - side / 2), side, side, color=colour))
    for end_of_generation in (3.5, 9.5):
        ax.axvline(end_of_generation, color="lightgrey", lw=1, zorder=0)
    ax.set(xlim=(-0.6, 11.6), ylim=(1.6, -0.6), aspect="equal", xticks=range(12))
    ax.set_yticks([0, 1], ["English", "Italian"])
    ax.tick_params(length=0, labelbottom=False)


figure, grid = plt.subplots(3, 2, figsize=(12, 5.6), sharex=True)
for k, (ax, weights) in enumerate(zip(grid.T.flat, codes[0]), start=1):
    draw_unit(ax, weights, largest=np.abs(codes[0]).max())
    follows = {feature: correlation(weights, numbers) for feature, numbers in FEATURES.items()}
    feature = max(follows, key=lambda feature: abs(follows[feature]))
    ax.set_title(f"unit {k}: {feature}, correlation {follows[feature]:+.2f}", fontsize=10)
for ax in grid[-1]:
    names = [f"{english}\n{italian}" for english, italian in zip(PEOPLE, PEOPLE[12:])]
    ax.set_xticks(range(12), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    ax.tick_params(labelbottom=True)
figure.suptitle("weights from the people to their six units; orange positive, violet negative", fontsize=11)
figure.tight_layout()
figure.savefig(PICTURES / "09-code.svg", metadata={"Date": None})
print("09-code.svg")
