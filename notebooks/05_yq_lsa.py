# %% [markdown]
# # 05 When is linear self-attention gradient descent?
#
# One layer of linear self-attention (LSA) can take a step of gradient descent (GD) on the examples in its prompt, if
# regression weights are zero on average. {cite}`xie2025initialization` ask what happens if they are not, and
# propose a remedy: a trainable *initial guess* $y_q$ of the answer. How much does a layer without it lose, does the
# guess win it back, and what has attention to do with it?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
d: int = at_least(1, 10)  # inputs of the regression
n_context: int = at_least(1, 10)  # C, examples in a prompt
heads: str = by_profile(
    "1", "1", "1,2,3,5,20"
)  # numbers of linear heads; 1, d and d+1 are added
scales: str = by_profile("1", "1", "0,0.3,1")  # norms of w* over √d
steps: int = at_least(
    1, by_profile(40, 5000, 5000)
)  # training steps of every recipe
batch: int = at_least(1, by_profile(64, 2048, 2048))  # sampled prompts a step
seeds: int = at_least(
    2, by_profile(2, 3, 10)
)  # repetitions with the exact gradient
sampled_seeds: int = at_least(
    0, by_profile(1, 0, 5)
)  # repetitions on sampled prompts
grid: str = by_profile(
    "2x10", "2x10", "2x10,5x10,10x3,10x30,10x100,20x10"
)  # other d and C for the gap
soft_heads: str = by_profile("1", "1,2", "1,2,3,4,8")  # normalised heads
soft_steps: int = at_least(1, by_profile(20, 300, 3000))  # their training steps
soft_batch: int = at_least(1, by_profile(64, 256, 512))  # prompts a step
soft_seeds: int = at_least(2, by_profile(2, 2, 5))  # their repetitions
largest_search: int = at_least(
    2, by_profile(2, 3, 6)
)  # largest d of the search
prompts: int = at_least(
    2, by_profile(20_000, 200_000, 2_000_000)
)  # for the query in sight
data_seed: int = 0  # prompts, and directions of w*
init_seed: int = 1  # initial weights
evaluation_seed: int = 2  # fresh prompts for evaluation, and intervals
search_seed: int = 3  # settings and starts of the search

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.lsa import estimates, pictures
from iclnb.lsa.findings import CONVERGED, SAMPLED
from iclnb.lsa.measure import measure

run = settings.read(globals())
seed = run.evaluation_seed

# %% tags=["hide-input"]
ladder = ladders.measured("05_yq_lsa", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** In its algebra the paper is right: {claim}`without a guess a layer of linear attention cannot be gradient
# descent from a prior mean that is not zero <gap-persists: proved everywhere>`, and {claim}`one head with a guess can
# <construction: proved everywhere>`. {claim}`Training to convergence finds it <guess-finds-gd: supported everywhere>`;
# {claim}`in the paper's number of steps it does not come within 0.1 % <guess-finds-gd-by-paper: not supported
# everywhere>`, but stays {value}`2 % above <guess-finds-gd-by-paper on recorded>`. Does the difference matter?
# {claim}`With ten dimensions and ten examples, and a prior mean as large as the spread around it, one head without a
# guess errs 47 % more than gradient descent, ten heads 4 %; with two dimensions two heads still lose 39 %
# <relative-gap: proved everywhere>`. {claim}`For inputs of equal variance the least error is now known exactly, for
# every number of heads, with noise or without <head-law: proved everywhere>`. But attention is not the bottleneck:
# {claim}`the guess is a direct link from the query to the answer, and supplies what heads would have to estimate
# through the random variation of the inputs <construction: proved everywhere>`. {claim}`A trained head whose weights
# sum to one, as in a language model, loses more than a linear one <one-normalised-head: supported everywhere>`.

# %% tags=["answer", "hide-input"]
pictures.gap_by_heads(ladder)

# %% [markdown]
# ## What the paper says
#
# A prompt holds $C$ examples $y_i = w^\top x_i$ and a query $x_q$, with $x_i, x_q \sim N(0, I_d)$ and $w \sim N(w^*,
# I_d)$; the prior mean $w^*$ is the same for all prompts. It is written as
#
# $$
# E = \begin{pmatrix} x_1 & \dots & x_C & x_q \\ y_1 & \dots & y_C & y_q \end{pmatrix}, \qquad
# f(E) = E + \frac1C \sum_{h=1}^{H} W_{PV}^h \, E M E^\top \, W_{KQ}^h \, E ,
# $$
#
# where $M$ masks the query's column and the last entry of $f(E)$ is the prediction. Earlier work fixes $y_q = 0$. The
# paper says (sections 3 to 5): at most $d+1$ heads are of use; with $y_q = 0$ and $w^* \ne 0$ no number of heads is one
# step of GD from $w^*$; a single head with a trainable guess $y_q = v^\top x_q$ (*$y_q$-LSA*) is, and training finds
# it.
#
# In terms of $G = EME^\top/C$, of the last row $p_h$ of $W_{PV}^h$ and of $U_h = W_{KQ}^h \binom{I}{v^\top}$,
#
# $$
# \hat y = \Big\langle \sum_h p_h \otimes U_h, \; G \otimes x_q \Big\rangle + v^\top x_q .
# $$
#
# ($\otimes$ is the outer product.) Whatever $v$ is, the $U_h$ can be any matrices. So the guess adds the link $v^\top x_q$ and nothing else; one step of GD
# is $v = w^*$, $p = (-w^*, 1)$, $U = \eta I$ on the inputs.

# %% tags=["hide-input"]
results.proved(
    "heads-bound",
    "What 20 random heads predict, d+1 heads can predict as well.",
    lambda one: estimates.proved(
        one, "heads bound", "the best d of these heads"
    ),
    paper="B",
    section="3",
    proof="05a, proposition 1",
    speaks="for",
)

# %% tags=["hide-input"]
results.proved(
    "construction",
    "One head with a guess is a preconditioned step of GD from w*.",
    lambda one: estimates.proved(
        one, "one step", "the guess alone, without the step"
    ),
    paper="B",
    section="4",
    proof="05, by substitution",
    speaks="for",
)

# %% tags=["hide-input"]
results.proved(
    "gap-persists",
    "With y_q = 0 and any number of heads the risk is at least that of GD and 2‖w*‖² / (Cd + 2).",
    lambda one: estimates.proved(one, "unlimited heads", "the risk of GD"),
    paper="B",
    section="3",
    proof="05a, heads without limit",
    speaks="for",
)

# %% [markdown]
# ## Does the gap matter?
#
# The *risk* $R$ of a predictor is its expected squared error, and the *gap* is what it has beyond that of GD. With
# labels shifted by $w^{*\top}x$ the risk splits in two ([proofs](05a_lsa_proofs)): the step from $w^*$, which one head
# takes, and the part $w^{*\top}x_q$ of the answer that no example changes, which a guess gives for free. Attention
# without a guess can reach it only through products with the inputs' covariance $S = \frac1C\sum x_i x_i^\top$: it
# replaces $w^*$ by $w^*$ times a linear function of $S$, such as $\operatorname{tr}(S)/d$, which is 1 only on average.
# So
#
# $$
# R_{\text{GD}} = R_{y_q} = \frac{d\,(d+1)}{C+d+1}, \qquad R_{\text{heads}} - R_{\text{GD}} = \frac{2\|w^*\|^2}{Cd+2} .
# $$
#
# Both fall as $1/C$: with more examples the gap vanishes, but so does the risk, and their ratio tends to
# $2\|w^*\|^2 / (d^2(d+1))$. And $\|w^*\|$ has a natural unit: $w$ typically lies $\sqrt d$ from $w^*$.
#
# **Fewer heads** can read the scatter of $S$ in fewer directions. After a rotation, one head mixes the label and $w^*$
# by an angle $\theta$, and the other $H-1$ read one coordinate of the inputs each; the least over $\theta$ is the gap
# (`head_law`). It holds with label noise, too, and for a large mean the gap tends to $2\|w^*\|^2/(CH+2)$. With many
# examples one head gains nothing from the prior: it errs like GD from zero.

# %% tags=["hide-input"]
pictures.relative_gap()

# %% tags=["hide-input"]
pictures.share_table()

# %% tags=["hide-input"]
results.proved(
    "relative-gap",
    "At ‖w*‖ = √d and C = 10 the gap is 46.8 % of the risk of GD with one head and d = 10, 3.7 % with ten; "
    "for d = 2 it is 39.4 % with two.",
    lambda one: estimates.relative_gap(
        one, {(10, 1): 0.468, (10, 10): 0.037, (2, 2): 0.394}
    ),
    tolerance=5e-4,
    section="3",
    proof="05a, on the scale of the risk",
)

# %% tags=["hide-input"]
results.proved(
    "head-law",
    "For any number of heads and any label noise, searches over all weights end at the risk of the head law.",
    estimates.head_law,
    tolerance=1e-5,
    section="3",
    proof="05a, theorem 2",
)

# %% [markdown]
# ## Does training find it?
#
# Each seed draws its own initial weights and its own direction of $w^*$. A trained layer is judged by its **exact**
# risk: the sampling error of a batch of 2048 prompts is larger than most gaps. Three recipes, all with Adam: the
# paper's rate, steps and batch ($5\cdot10^{-4}$, 5000, 2048); the same with the exact gradient of the risk; and one
# that converges (a rate ten times larger that falls to zero). In the first two, Adam can move a weight by about rate
# times steps, 2.5; some components of $w^*$ are nearly that large, so training may just reach them. Intervals are over
# seeds, for the logarithm of what a layer has beyond the least risk.

# %% tags=["hide-input"]
pictures.excess(ladder)

# %% tags=["hide-input"]
results.claim(
    "guess-finds-gd",
    "Trained to convergence, y_q-LSA comes within 0.1 % of the risk of GD.",
    claims.below(1e-3),
    lambda one: estimates.excess(one, CONVERGED, guess=True, seed=seed),
    paper="B",
    section="4",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "guess-finds-gd-by-paper",
    "With the paper's rate, steps and batch it comes within 0.1 % as well.",
    claims.below(1e-3),
    lambda one: estimates.excess(one, SAMPLED, guess=True, seed=seed),
    paper="B",
    section="5.2",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "any-start",
    "With the paper's rate and steps and the exact gradient y_q-LSA comes within 0.1 % from any of three scales of "
    "initial weights (the paper states none).",
    claims.below(1e-3),
    lambda one: estimates.excess_by_scale(one, seed=seed),
    section="5.2",
)

# %% tags=["hide-input"]
results.claim(
    "training-finds-optimum",
    "The converged recipe brings every layer within 0.1 % of the best of its family.",
    claims.below(1e-3),
    lambda one: estimates.excess(one, CONVERGED, seed=seed),
    section="5",
)

# %% tags=["hide-input"]
results.claim(
    "training-finds-gap",
    "For other d and C, d + 1 heads trained with y_q = 0 end within 2 % of the gap.",
    claims.below(0.02),
    lambda one: estimates.law_excess(one, seed=seed),
    section="3",
)

# %% [markdown]
# Equal risk does not imply the same function. As the paper does, we compare predictions on fresh prompts and their
# sensitivities $\partial\hat y/\partial x_q$ with those of GD from $w^*$. The rival to beat is not GD from zero but many
# heads without a guess, which come close.

# %% tags=["hide-input"]
results.claim(
    "guess-is-gd",
    "Sensitivities of trained y_q-LSA and of GD agree (one minus mean cosine).",
    claims.below(1e-3),
    lambda one: estimates.one_minus_cosine(one, seed=seed),
    paper="B",
    section="5.2",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "guess-nearer-than-heads",
    "Predictions of trained y_q-LSA are ten times nearer to GD's than those of the most heads without a guess (ratio).",
    claims.below(0.1),
    lambda one: estimates.prediction_distance(one, seed=seed),
    section="5.2",
)

# %% [markdown]
# **What is stored is one step and one mean.** The rate $\eta^*$ and $w^*$ are in the weights. On prompts of $C'$
# examples whose mean is $w^* + \delta$ the layer has the risk $(d + \|\delta\|^2)\,(1 - 2\eta^* +
# \eta^{*2}(1 + \tfrac{d+1}{C'}))$: more examples soon stop helping, and every unit of $\|\delta\|^2$ costs as much as one
# dimension.

# %% tags=["hide-input"]
results.proved(
    "elsewhere",
    "On prompts of other lengths and means y_q-LSA has the risk of this formula.",
    lambda one: estimates.proved(
        one, "elsewhere", "the risk where it was trained"
    ),
    section="4",
    proof="05a, elsewhere",
)

# %% [markdown]
# ## Do normalised heads close the gap?
#
# Heads of language models are not linear: softmax gives weights $\alpha_i$ that sum to one. Does that replace the
# guess? No ([proposition 4](05a_lsa_proofs)): what the weights multiply are tokens, and no token holds $w^{*\top}x_q$.
# A head can only look for examples that resemble the query, and their mean is a noisy copy of $x_q$; it cannot subtract
# the plain mean of its tokens either, for which it needs a second head ([proposition 5](05a_lsa_proofs)). With one head
# more they can do what linear ones do; trained, they end above that (first figure).
#
# One thing helps: if the query may look at its own token, a head that looks nowhere else *is* a link from the question
# ([proposition 6](05a_lsa_proofs)). Training finds such a head from some seeds
# and not from others. Linear heads are only disturbed by their own token.

# %% tags=["hide-input"]
results.claim(
    "one-normalised-head",
    "Trained, one normalised head stays further above GD than one linear head at its best (ratio).",
    claims.above(1),
    lambda one: estimates.normalised(one, 1, in_sight=False, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "one-in-sight",
    "Where the query sees its own token, one normalised head stays further above GD as well (ratio).",
    claims.above(1),
    lambda one: estimates.normalised(one, 1, in_sight=True, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "sight-disturbs-linear-heads",
    "The gap of linear heads without limit is larger if the query is in sight.",
    claims.above(0),
    lambda one: estimates.in_sight(one, seed=seed),
)

# %% [markdown]
# ## Is attention the limiting factor?
#
# No. The gap is the price of having to estimate a fixed vector through the inputs' own random variation. A link from the question removes it; so do
# a constant coordinate in every token, and inputs that all have the same length, as after normalisation
# ([proofs](05a_lsa_proofs)). The attention term then takes the same step of GD as before.
#
# ## Limits
#
# - Nothing here says that a language model has a guess, or that its attention computes gradients; [chapter
#   06](06_llm_initial_guess) asks that.
# - GD from $w^*$ is itself far from the best use of a prompt ([what more layers do](05b_lsa_beyond)).
# - The head law is for inputs of equal variance. With fewer than $d$ heads and other inputs the least risk is not known.
# - Normalised heads are trained, on sampled prompts, with a few seeds: their optimum may lie lower. The proofs say what
#   one head cannot do.
# - How near the paper's own training comes depends on the initial weights, which the paper does not state.
#
# ## Prior art
#
# {cite}`vonoswald2023transformers` construct weights with which one linear layer takes a step of GD.
# {cite}`ahn2023transformers` and {cite}`mahankali2024one` prove that for a prior of mean zero such a step is the best that
# the layer can do, and {cite}`zhang2024trained` that training finds it. For a mean that is not zero,
# {cite}`zhang2024incontext` show an error that LSA alone cannot remove, and that an added MLP lets the layer start its step
# from a learnable point: that overlaps with {cite}`xie2025initialization`, and with the gap here. Label noise in linear
# attention is studied by {cite}`vladymyrov2024versatile`, over layers. For softmax, {cite}`cui2025superiority` derive the
# risk of one and of several heads as examples grow, and {cite}`he2025demystified` find that trained heads pair up with
# opposite signs, so that the mean is subtracted: our proposition 5 is that construction with one head instead of pairs. We
# have not seen elsewhere the exact risk by number of heads, its limit $2\|w^*\|^2/(CH+2)$, the scale of the gap, or the
# reading of the guess as a link; they follow from short calculations.

# %% tags=["hide-input"]
saved = results.save()
