# %% [markdown]
# # Appendix: proofs for linear self-attention
#
# What [chapter 05](05_yq_lsa) uses, proved, with a check by computer where a formula could be mistyped.
# Notation as there: $G = EME^\top/C$, $p_h$ the last row of $W_{PV}^h$, $U_h = W_{KQ}^h\binom{I}{v^\top}$.

# %% tags=["parameters", "hide-input"]
profile: str = "laptop"  # smoke, laptop or paper
d: int = 10  # inputs of the regression
n_context: int = 10  # C, examples in a prompt
norm: float = 4.0  # norm of w* where the last head is judged
noise_std: float = 4.0  # σ, label noise under which d+1 heads are needed
init_seed: int = 1  # initial weights
evaluation_seed: int = 2  # prompts on which identities are checked

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.lsa import estimates_exact

run = settings.read(globals())
results = claims.Results("05a_lsa_proofs", vars(run))
size = {"d": run.d, "n_context": run.n_context}

# %% [markdown]
# ## The layer in three forms
#
# The last entry of $f(E)$ is
#
# $$
# \hat y = \Big(v + \sum_h U_h^\top G\, p_h\Big)^{\!\top} x_q = \big\langle T, \; G \otimes x_q \big\rangle
# + v^\top x_q, \qquad T = \sum_h p_h \otimes U_h .
# $$
#
# As $G$ is symmetric, the prediction is linear in the features $\operatorname{vech}(G) \otimes x_q$. The
# layer as written, its fast form and its feature form, on random weights in double precision:

# %%
apart = estimates_exact.forms(
    **size, init_seed=run.init_seed, seed=run.evaluation_seed
)
Markdown(f"Largest relative difference between the forms: **{apart:.1e}**.")

# %% [markdown]
# ## At most $d+1$ heads
#
# **Proposition.** *Every LSA of $H$ heads makes the same predictions as one of $\min(H, d+1)$ heads.*
#
# *Proof.* Unfold $T$ as a $(d+1) \times (d+1)d$ matrix, the first index against the other two. Head $h$
# adds $p_h \operatorname{vec}(U_h)^\top$, a matrix of rank at most 1. The unfolding has $d+1$ rows, hence
# rank $r \le d+1$, and its singular value decomposition writes it as $r$ terms of that form: $r$ heads. ∎
#
# ## The shift lemma
#
# With shifted labels $\tilde y = y - w^{*\top}x$ the tokens are $L\binom{x}{\tilde y}$, $L =
# \begin{pmatrix} I & 0 \\ w^{*\top} & 1\end{pmatrix}$, so $G = L \tilde G L^\top$; a layer with $(p_h,
# U_h)$ acts on $\tilde G$ as one with $(L^\top p_h, L^\top U_h)$. As $L$ is invertible, each family of $H$
# heads is mapped onto itself. Only the target changes: with $w = w^* + u$, $u \sim N(0, I)$, the error is
#
# $$
# \hat w - w = \tilde T \cdot \tilde G + (v - w^*) - u, \qquad
# \tilde G = \begin{pmatrix} S & \tilde b \\ \tilde b^\top & \tilde c \end{pmatrix}, \quad
# S = \tfrac1C \textstyle\sum x_i x_i^\top, \;\; \tilde b = S u, \;\; \tilde c = u^\top S u .
# $$
#
# Under $u \to -u$ the entry $\tilde b$ is odd, $S$ and $\tilde c$ are even. The cross terms vanish and the
# risk is the sum of two separate problems:
#
# $$
# \underbrace{E\big\| \Gamma \tilde b - u \big\|^2}_{\text{odd: one step of GD from } w^*} \; + \;
# \underbrace{E\big\| A(S, \tilde c) - (w^* - v) \big\|^2}_{\text{even: a constant out of } S, \tilde c} .
# $$
#
# ## The optima
#
# **Odd part.** $\Gamma = E[u \tilde b^\top] E[\tilde b \tilde b^\top]^{-1}$ with $E[u\tilde b^\top] = I$
# and $E[\tilde b\tilde b^\top] = E S^2 = (1 + \tfrac{d+1}{C}) I$. So $\Gamma = \eta^* I$, $\eta^* = 1/(1 +
# \tfrac{d+1}{C})$, and the risk of GD is $d(1-\eta^*)$, whatever $w^*$ is.
#
# **Even part.** If $v$ is free, $v = w^*$ and $A = 0$ make it zero: $y_q$-LSA attains exactly the risk of
# GD, and one head does so. If $v = 0$, the constant $w^*$ has to be made from $S$ and $\tilde c$.
# Each component of $w^*$ meets the same problem, so the even part is $\|w^*\|^2 \min_a E (a(S, \tilde c) -
# 1)^2$ over linear $a$. Averaging over rotations keeps $a$ linear and does not raise the risk, so $a$
# combines $\operatorname{tr} S$ and $\tilde c$; and as $E[\tilde c \mid S] = \operatorname{tr} S$, using
# $\tilde c$ only adds variance. With $\operatorname{tr} S \sim \chi^2_{Cd}/C$, of mean $d$ and second
# moment $d^2 + 2d/C$:
#
# $$
# R_{\text{LSA}} - R_{\text{GD}} = \|w^*\|^2 \Big(1 - \frac{d^2}{d^2 + 2d/C}\Big) = \frac{2\|w^*\|^2}{Cd+2}.
# $$
#
# With inputs of covariance $\Lambda$ the same steps in the coordinates $\Lambda^{-1/2}x$ give $\Gamma =
# \big((1 + \tfrac1C)\Lambda + \tfrac{\operatorname{tr}\Lambda}{C} I\big)^{-1}$ and the gap $2\,
# w^{*\top}\Lambda w^* / (Cd + 2)$; label noise is covered by `optima.optimal_risk` as well.
#
# ## $d$ heads suffice without noise
#
# At this optimum $\tilde T$ needs $\Gamma$ and $a$ alone: put $\tilde T_{a,d+1,j} = \eta^* \delta_{aj}$ and
# $\tilde T_{abj} = \alpha\, \delta_{ab} w^*_j$ for $a, b \le d$. The last row of the unfolding is zero, so
# its rank is at most $d$. For $w^* = 0$ choose the last row alone: one head. The numerical search over $d$
# heads must find the value of unlimited heads:

# %%
results.claim(
    "last-head-idle",
    "At the optimum d heads do as well as d+1",
    claims.within(-1e-6, 1e-6),
    estimates_exact.last_head(**size, norm=run.norm),
    section="3",
)

# %% [markdown]
# ## With noise the last head may be needed
#
# The optimum fixes $T$ only up to parts antisymmetric in its first two indices, which $G$ does not see. Let
# $A_j$ be its symmetric parts. A tensor of rank $d$ with these parts has some $z \ne 0$ with $z^\top T_j =
# 0$, hence $z^\top A_j z = 0$ for all $j$; conversely, given such a $z$, the antisymmetric $K_j = (A_j z
# z^\top - z z^\top A_j)/\|z\|^2$ gives $z^\top (A_j + K_j) = 0$. So $d$ heads suffice just if the forms
# $A_j$ share a real zero. Without noise $z = (0, \dots, 0, 1)$ is one. With label noise $\tilde c$ contains
# $\sigma^2$ and helps to make the constant, and for a large prior mean no real zero is left: there the
# bound $d+1$ is attained.

# %%
results.claim(
    "bound-attained",
    f"With label noise (σ = {run.noise_std:g}, ‖w*‖ = {5 * run.norm:g}) the (d+1)th head lowers the optimal risk",
    claims.above(1e-6),
    estimates_exact.last_head_under_noise(
        **size, norm=5 * run.norm, noise_std=run.noise_std
    ),
    section="3",
)

# %% tags=["hide-input"]
saved = results.save()
