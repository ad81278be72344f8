# %% [markdown]
# # 19. A tiny GPT
#
# A language model reads what has been written so far and says, for every letter, how likely it is to come
# next.  That is all it does.  Asked again and again, each time with the letter that was drawn, it writes.
#
# Here is one that has read first names.  It is a GPT: a transformer (Vaswani and others, *Attention is all
# you need*, 2017) that looks only backwards (Radford and others, *Language models are unsupervised multitask
# learners*, 2019).  The largest of those has 1.5 billion weights and ours has 4,128, but nothing is left out
# that makes it one.  And nothing is new: all of it is sums of products, quotients, powers, exponentials,
# logarithms and relu of Values, and the gradient is the chain rule of example 01.
#
# The idea of showing a GPT in single numbers is Andrej Karpathy's, whose makemore and microgpt write names
# too (https://karpathy.github.io/2026/02/12/microgpt/).  Words and code here are our own.

# %%
from math import exp, log
from pathlib import Path
from random import Random
from time import perf_counter

import matplotlib
from matplotlib import pyplot as plt

from microbp import Adam, Value, compile, consumers, cross_entropy, pick, softmax, weighted_sum

matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
HERE = Path(__file__).parent if "__file__" in globals() else Path()
EAGER = 20  # steps with single Values, one name each
STEPS = 500  # steps of the compiled program, of BATCH names each
BATCH = 32
ASKED = 20  # names of which it is measured where the heads look
WRITTEN = 20  # names that it writes

# %% [markdown]
# ## Names
#
# `first_names.txt` has every name that at least 500 girls or 500 boys were given in the United States in the
# year 2000.  The names are the Social Security Administration's, in the public domain.  A name is a sequence
# of tokens, numbers from 0 to 26: the letters are 1 to 26, and 0, written as a dot, stands before the first
# letter and behind the last.  The model is shown all of it but the last token, and wants all but the first.

# %%
TOKENS = ".abcdefghijklmnopqrstuvwxyz"


def shown_and_wanted(name):
    tokens = [TOKENS.index(letter) for letter in f".{name}."]
    return tokens[:-1], tokens[1:]


lines = (HERE / "first_names.txt").read_text(encoding="utf-8").splitlines()
names = [line for line in lines if not line.startswith("#")]
Random(1).shuffle(names)
held_out, training = names[:100], names[100:]
print(f"{len(training)} names to learn from, {len(held_out)} held out; some are {', '.join(training[:5])}")
print("emma: shown {}, wanted {}".format(*shown_and_wanted("emma")))

# %% [markdown]
# ## Two yardsticks
#
# The loss is the cross-entropy of example 04, averaged over all tokens that are wanted.  Who gives each of
# the 27 the same chance has a loss of log(27).  Who has counted which letter follows which does better.
# On the training names nobody who sees only the last letter can do better than those counts, as they
# maximise the likelihood; whoever does better has looked further back.
#
# On held-out names a pair that never occurred would cost infinitely much, so there each count starts at 1.


# %%
def bigram_loss(counted, asked, start):
    """The loss of a table of counts of one letter after another, on the names that are asked about."""
    counts = [[start] * 27 for _ in TOKENS]
    for name in counted:
        for before, after in zip(*shown_and_wanted(name)):
            counts[before][after] += 1
    losses = [
        log(sum(counts[before]) / counts[before][after])
        for name in asked
        for before, after in zip(*shown_and_wanted(name))
    ]
    return sum(losses) / len(losses)


guessing = log(27)
bigrams = bigram_loss(training, training, 0), bigram_loss(training, held_out, 1)
print(f"each letter as likely as any other: log(27) = {guessing:.4f}")
print(f"a table of which letter follows which: {bigrams[0]:.4f} on training names, {bigrams[1]:.4f} held out")

# %% [markdown]
# ## The weights
#
# Every letter and every place in a name has a vector of 16 numbers, to be learned like all others.  The
# matrices have a row of weights for each output, so that a row is what a unit has, without bias.

# %%
WIDTH, HEADS, PLACES = 16, 4, 12
random = Random(2)


def matrix(name, rows, columns):
    return [
        [Value(random.gauss(0.0, 0.08), f"{name}[{i},{j}]") for j in range(1, columns + 1)]
        for i in range(1, rows + 1)
    ]


letters = matrix("letter", len(TOKENS), WIDTH)
places = matrix("place", PLACES, WIDTH)
to_query, to_key, to_value, to_sum = (matrix(name, WIDTH, WIDTH) for name in ("query", "key", "value", "sum"))
to_hidden, from_hidden = matrix("hidden", 4 * WIDTH, WIDTH), matrix("out", WIDTH, 4 * WIDTH)
to_logits = matrix("logit", len(TOKENS), WIDTH)

matrices = [letters, places, to_query, to_key, to_value, to_sum, to_hidden, from_hidden, to_logits]
parameters = [weight for rows in matrices for row in rows for weight in row]
print(f"{len(parameters):,} parameters")

# %% [markdown]
# ## The parts
#
# `linear` is a layer of linear units.  `normalised` scales a vector so that the mean of its squares is 1
# (RMS norm: Zhang and Sennrich 2019), which keeps the numbers, and with them the deltas, of one size.


# %%
def linear(rows, x):
    return [weighted_sum(row, x) for row in rows]


def added(x, y):
    return [a + b for a, b in zip(x, y)]


def normalised(x):
    mean_square = weighted_sum(x, x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [scale * a for a in x]


# %% [markdown]
# **Attention** is how one place learns what stood at the others.  Each place makes three vectors of its own:
# a query, a key, and a value.  The query is compared with the keys of this place and of all before it, by
# sums of products; softmax makes of these positive weights that add up to 1; and the answer is the values,
# summed with these weights.  A weighted sum, then, as in every unit, but its weights are computed from what
# is being read.
#
# This is done by four *heads* side by side, each with a quarter of the numbers.


# %%
def split(x):
    size = len(x) // HEADS
    return [x[k : k + size] for k in range(0, len(x), size)]


def attention(query, keys):
    """How much a place looks at each of the places that have these keys."""
    return softmax([weighted_sum(query, key) / len(query) ** 0.5 for key in keys])


def answer(weights, values):
    return [weighted_sum(weights, column) for column in zip(*values)]


# %% [markdown]
# ## The model
#
# A vector x goes through for each place.  It starts as what the letter is and where it stands; attention adds
# what it has found at the places before; a layer of 64 hidden units adds what it makes of that; and the last
# layer says how much speaks for each letter to come.  Causality costs nothing: when a place asks, only the
# keys of the places up to it are there.


# %%
def gpt(tokens):
    """For each place the logits of the 27 tokens to come, and for each place and head where it looked."""
    keys, values, logits, looked = [], [], [], []
    for place, token in zip(places, tokens):
        x = added([pick(column, token) for column in zip(*letters)], place)

        before = normalised(x)
        keys.append(split(linear(to_key, before)))
        values.append(split(linear(to_value, before)))
        queries = split(linear(to_query, before))
        weights = [attention(queries[h], [key[h] for key in keys]) for h in range(HEADS)]
        answers = [answer(weights[h], [value[h] for value in values]) for h in range(HEADS)]
        x = added(x, linear(to_sum, [number for head in answers for number in head]))

        hidden = [u.relu() for u in linear(to_hidden, normalised(x))]
        x = added(x, linear(from_hidden, hidden))

        logits.append(linear(to_logits, normalised(x)))
        looked.append(weights)
    return logits, looked


def loss(shown, wanted, shares):
    """The cross-entropy at each place, summed with the share that each place has in the mean."""
    logits, _ = gpt(shown)
    return weighted_sum(shares, [cross_entropy(us, token) for us, token in zip(logits, wanted)])


# %% [markdown]
# ## Learning with single Values
#
# One name after another: a graph of thousands of Values, a walk backwards, a step of Adam.


# %%
def loss_of(name):
    shown, wanted = shown_and_wanted(name)
    return loss(shown, wanted, [1 / len(shown)] * len(shown))


def backward(E):
    for parameter in parameters:
        parameter.grad = 0.0
    E.backward()


def mean_loss(names):
    return sum(loss_of(name).data for name in names) / len(names)


first = training[:EAGER]
print(f"before any step: loss {mean_loss(first):.4f}, mean of {EAGER} names   (log(27) = {guessing:.4f})")
optimizer = Adam(lr=0.01)
start = perf_counter()
for step, name in enumerate(first, start=1):
    E = loss_of(name)
    backward(E)
    optimizer.step(parameters)
    if step in (1, 2, 5, 10, 20):
        print(f"step {step:2}: {name:11} {len(consumers(E)):6,} Values   loss {E.data:.4f}")
print(f"{1000 * (perf_counter() - start) / EAGER:.0f} ms a step of one name")
print(f"after {EAGER} steps: loss {mean_loss(first):.4f}, mean of the same names")

# %% [markdown]
# That it starts a little above log(27) is no accident: the first weights are drawn at random, so the first
# logits are, with a variance of 16 · 0.08² = 0.10, and to be random rather than equal costs half of that on
# average.
#
# ## Compiled
#
# A graph of one shape serves all names if they are padded to the longest, with dots behind the end whose
# share in the loss is 0.  Nothing looks forward, so what stands behind the end cannot matter to what stands
# before it.  The tokens, and the shares, are then inputs of the program.


# %%
def batch(names):
    """The padded tokens shown and wanted, and their shares in the mean over all tokens of these names."""
    pairs = [shown_and_wanted(name) for name in names]
    share = 1 / sum(len(shown) for shown, _ in pairs)
    padding = [[0] * (PLACES - len(shown)) for shown, _ in pairs]
    return (
        [shown + pad for (shown, _), pad in zip(pairs, padding)],
        [wanted + pad for (_, wanted), pad in zip(pairs, padding)],
        [[share] * len(shown) + pad for (shown, _), pad in zip(pairs, padding)],
    )


start = perf_counter()
program = compile(loss, example=([0] * PLACES, [0] * PLACES, [0.0] * PLACES))
print(f"{program}".splitlines()[0])
print(f"compiled in {perf_counter() - start:.1f} s")

# %% [markdown]
# The same name by both: unpadded and one Value at a time, padded and compiled.

# %%
E = loss_of("olivia")
backward(E)
eager = [parameter.grad for parameter in parameters]
compiled_loss, compiled = program.value_and_grad(*batch(["olivia"]), reduction="sum")
largest = max(abs(slope) for slope in eager)
apart = max(abs(a - b) for a, b in zip(eager, compiled)) / largest
print(f"olivia: loss {E.data:.12f} eager, {compiled_loss:.12f} compiled")
print(f"their {len(eager):,} derivatives are {apart:.0e} apart, relative to the largest, {largest:.3f}")

# %% [markdown]
# From here on several names a step, drawn anew each time.  The steps shrink to nothing towards the end.


# %%
def loss_on(names):
    return float(program(*batch(names)).sum())


def learn(steps):
    """Train; returns the loss of each batch, and now and then the step and the loss of both sets of names."""
    losses, measured, due = [], [], [0, steps // 20, steps // 10, steps // 5, steps // 2]
    for step in range(steps):
        if step in due:
            measured.append((step, loss_on(training), loss_on(held_out)))
        optimizer.lr = 0.01 * (1 - step / steps)
        names = random.sample(training, BATCH)
        losses += program.train(*batch(names), optimizer=optimizer, steps=1, reduction="sum")
    return losses, [*measured, (steps, loss_on(training), loss_on(held_out))]


start = perf_counter()
losses, measured = learn(STEPS)
milliseconds = 1000 * (perf_counter() - start) / STEPS
print(f"{milliseconds:.0f} ms a step of {BATCH} names, with what is measured in between")
print("step   training   held out")
for step, *both in measured:
    print("{:4} {:10.4f} {:10.4f}".format(step, *both))
print("bigrams {:7.4f} {:10.4f}".format(*bigrams))

# %% [markdown]
# On both the transformer has passed the table of counts, and so has looked further back than one letter.
# On names it has learned from it does better than on those held out: part of what it knows are these very
# names.
#
# A published figure to set beside it: microgpt, with 16 numbers for each letter, 4 heads and one layer as
# here, goes from about 3.3 to about 2.37 in 1,000 steps, each on one name of another list, of 32,000 (the
# page linked above).  The lists differ, and ours is short and was read many times over, so that this is no
# race.
#
# exp(loss) is how many equally likely letters one would hesitate between for the same loss.

# %%
_, on_training, on_held_out = measured[-1]
print(f"loss at the end: {on_training:.2f} on training names, {on_held_out:.2f} held out", end="   ")
print("(published, microgpt on other names: 2.37)")
for what, value in (("guessing", guessing), ("bigrams", bigrams[1]), ("transformer", on_held_out)):
    print(f"{what:11}  exp({value:.2f}) = {exp(value):4.1f} letters, on names held out")
times_read = (EAGER + STEPS * BATCH) / len(training)
print(f"each name was read {times_read:.0f} times, on average")

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(losses, color="0.75", linewidth=0.8, label=f"batches of {BATCH} names")
steps, *both = zip(*measured)
for values, bigram, colour, what in zip(both, bigrams, ("#0072B2", "#D55E00"), ("training", "held-out")):
    ax.plot(steps, values, ".-", color=colour, label=f"{what} names")
    ax.axhline(bigram, color=colour, linestyle="--", linewidth=1, label=f"bigrams, {what} names")
ax.axhline(guessing, color="black", linestyle=":", label="log(27), guessing")
ax.set(xlabel="step", ylabel="loss, mean over the letters")
ax.legend(ncols=2, fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.75))
ax.grid(alpha=0.3)


def keep(figure, name):
    figure.savefig(HERE / "pictures" / name, metadata={"Date": None})
    print(name)


keep(figure, "19-loss.svg")

# %% [markdown]
# ## What the heads look at
#
# Attention can simply be read: for each place, how much of its answer comes from each place before.  A row
# below is a place, with the letter that stands there; it adds up to 1; and what is to come is not there.

# %%
name = "christopher"
shown, _ = shown_and_wanted(name)
_, looked = gpt(shown)
figure, axes = plt.subplots(2, 2, figsize=(8, 7.4), sharex=True, sharey=True, layout="constrained")
for h, ax in enumerate(axes.flat):
    rows = [[weight.data for weight in heads[h]] for heads in looked]
    square = [row + [float("nan")] * (len(shown) - len(row)) for row in rows]
    image = ax.imshow(square, vmin=0, vmax=1, cmap="Blues")
    ax.set(title=f"head {h + 1}")
    ax.set_xticks(range(len(shown)), f".{name}")
    ax.set_yticks(range(len(shown)), f".{name}")
figure.supxlabel("looked at")
figure.supylabel("place that looks")
figure.colorbar(image, ax=axes, label="weight of attention", shrink=0.6)
keep(figure, "19-attention.svg")

# %% [markdown]
# Over several names: how much each head looks at the letter itself, at the two before it, and at the dot in
# front, on average over the places from the third letter on, where these four are four.  In so small a model
# no head has one job only.

# %%
seen = [heads for name in held_out[:ASKED] for heads in gpt(shown_and_wanted(name)[0])[1][3:]]
print("head   itself   one before   two before   the dot")
for h in range(HEADS):
    rows = [[weight.data for weight in heads[h]] for heads in seen]
    shares = [sum(row[k] for row in rows) / len(rows) for k in (-1, -2, -3, 0)]
    print("{:4} {:8.2f} {:12.2f} {:12.2f} {:9.2f}".format(h + 1, *shares))

# %% [markdown]
# ## Names that nobody was given
#
# Or hardly anybody.  From the dot on, a letter is drawn with the chances that the model gives, and read again
# with all that is there.  (A GPT at work keeps the keys and values of the places before; we compute them
# anew.)


# %%
def written(random):
    tokens = [0]
    while len(tokens) <= PLACES:
        logits, _ = gpt(tokens)
        chances = [chance.data for chance in softmax(logits[-1])]
        [token] = random.choices(range(len(TOKENS)), chances)
        if token == 0:
            break
        tokens.append(token)
    return "".join(TOKENS[token] for token in tokens[1:])


new = [written(random) for _ in range(WRITTEN)]
for k in range(0, len(new), 5):
    print(", ".join(new[k : k + 5]))
print(f"{sum(name in training for name in new)} of {len(new)} are names it has read", end=", ")
print(f"{sum(name in held_out for name in new)} are held out")
