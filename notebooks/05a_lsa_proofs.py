# %% [markdown]
# # Appendix: proofs for linear self-attention
#
# Proofs of what [chapter 05](05_yq_lsa) uses, with checks by computer where a formula could be mistyped.
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
# rank $r \le \min(H, d+1)$, and its singular value decomposition writes it as $r$ such terms: $r$ heads. ∎
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
# Under $u \to -u$, $\tilde b$ is odd, while $S$ and $\tilde c$ are even. The cross terms vanish, and the risk is
# the sum of two separate problems:
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
# GD, and one head is enough. If $v = 0$, the constant $w^*$ has to be made from $S$ and $\tilde c$.
# Each component of $w^*$ poses the same problem, so the even part is $\|w^*\|^2 \min_a E (a(S, \tilde c) -
# 1)^2$ over linear $a$. First drop $\tilde c$: put $E[\tilde c \mid S] = \operatorname{tr} S$ in its place,
# which keeps $a$ linear in $S$ and cannot increase its variance. Then average over rotations, which cannot raise the
# risk either: $a$ is a multiple of $\operatorname{tr} S$. With $\operatorname{tr} S \sim \chi^2_{Cd}/C$, of
# mean $d$ and second moment $d^2 + 2d/C$:
#
# $$
# R_{\text{LSA}} - R_{\text{GD}} = \|w^*\|^2 \Big(1 - \frac{d^2}{d^2 + 2d/C}\Big) = \frac{2\|w^*\|^2}{Cd+2}.
# $$
#
# **Inputs of covariance $\Lambda$.** In the coordinates $z = \Lambda^{-1/2}x$ the matrix $S_z$ is as before, but
# $\tilde c = u^\top\Lambda^{1/2} S_z \Lambda^{1/2}u$ is not invariant under rotations of $z$: the average over
# them is not a function of $(S_z, \tilde c)$. The order of the steps matters. $E[\tilde c \mid S_z] =
# \operatorname{tr}(\Lambda S_z)$ is linear in $S_z$, so $\tilde c$ is dropped first, and what is left depends
# on $S_z$ alone, whose distribution rotations do not change. Hence $\Gamma = \big((1 + \tfrac1C)\Lambda +
# \tfrac{\operatorname{tr}\Lambda}{C} I\big)^{-1}$ and the gap $2\, w^{*\top}\Lambda w^* / (Cd + 2)$; label noise
# is covered by `optima.optimal_risk` as well.
#
# **A prior of covariance $\Sigma$.** Inputs $\Sigma^{1/2}x$ and weights $\Sigma^{-1/2}w$ make the same labels, and
# those weights have covariance $I$. The gap is $2\,(\Sigma^{-1/2}w^*)^\top \Sigma^{1/2}\Lambda\Sigma^{1/2}
# (\Sigma^{-1/2}w^*)/(Cd+2) = 2\,w^{*\top}\Lambda w^*/(Cd+2)$, whatever $\Sigma$ is.
#
# **A constant coordinate.** With tokens $(1, x, y)$ the matrix $G$ has the entry 1. A head with $p = e_1$ and
# $U_{1j} = w^*_j$ adds $w^{*\top}x_q$; a second with $p = (0, -w^*, 1)$ and $U = \eta^* I$ on the inputs adds the
# step. The sum is GD from $w^*$. Nothing linear does better: the new entries of $G$, the means of $x$ and
# $\tilde y$, are odd in $x$, and uncorrelated with $S$, $\tilde b$, $\tilde c$ and $u$.
#
# ## $d$ heads suffice without noise
#
# At this optimum only $\Gamma$ and $a$ are prescribed, so put $\tilde T_{a,d+1,j} = \eta^* \delta_{aj}$ and
# $\tilde T_{abj} = \alpha\, \delta_{ab} w^*_j$ for $a, b \le d$, with $\alpha \operatorname{tr} S$ the best
# $a(S)$. The last row of the unfolding is zero, so its rank is at most $d$. (For $w^* = 0$ use the last row alone:
# one head.) The numerical search over $d$ heads must find the value of unlimited heads:

# %%
results.proved(
    "last-head-idle",
    "At the optimum d heads do as well as d+1",
    estimates_exact.last_head(**size, norm=run.norm),
    section="3",
    proof="05a, d heads suffice without noise",
    tolerance=1e-6,
)

# %% [markdown]
# ## Which heads are needed
#
# **Lemma.** *$G$ sees only the parts $A_j$ of $\tilde T_j = (\tilde T_{abj})_{ab}$ that are symmetric in $a, b$.
# Given the $A_j$, a tensor of $H$ heads with these parts exists if and only if some subspace $Z$ of dimension
# $d+1-H$ has $z^\top A_j z' = 0$ for all $z, z' \in Z$ and all $j$.*
#
# *Proof.* $H$ heads mean rank at most $H$, so that $z^\top \tilde T_j = 0$ on some such $Z$; then $2z^\top A_j
# z' = z^\top \tilde T_j z' + z'^\top \tilde T_j z = 0$. Conversely let $P$ project onto $Z$ and $K_j = A_jP - PA_j$,
# which is antisymmetric. As $PA_jP = 0$, $P(A_j + K_j) = PA_j + PA_jP - PA_j = 0$. ∎
#
# The subspaces of a given dimension form a compact set, and the risk grows without bound in the $A_j$; so the best
# risk of $H$ heads is attained.
#
# **$d$ heads are necessary** ($w^* \ne 0$, no noise). The $A_j$ of the optimum are unique, as no quadratic form is
# zero on all prompts: with $z = (z', \zeta)$, $z^\top A_j z = \alpha w^*_j\|z'\|^2 + \eta^*\zeta z'_j$.
# With $d-1$ heads $Z$ would have two dimensions and contain some $z = (z', 0)$ with $z' \ne 0$, so that $\alpha w^*_j
# \|z'\|^2 = 0$ for all $j$: a contradiction. So $d-1$ heads are strictly worse. ∎
#
# **With noise** $\tilde c$ contains $\sigma^2$ and helps to make the constant. Then $d$ heads suffice if and only if
# the forms $A_j$ share a real zero, and for a large prior mean there is none: the bound $d+1$ is attained.

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

# %% [markdown]
# ## The head law
#
# **The layer behind the formula** ($w^* = m\,e_w$, $H \le d$, no noise). One head has the row $(\sin\theta\, e_w,
# \cos\theta)$, each of the others that of an input direction $e_i \perp e_w$. They read $\sin\theta\, S_{w\cdot} +
# \cos\theta\, \tilde b$ and $\sin\theta\, \tilde b_w + \cos\theta\, \tilde c$, and $S_{i\cdot}$ and $\tilde b_i$.
# With $q = 1 + \tfrac{d+1}C$, least squares gives the risk
#
# $$
# R_H = \min_\theta \; (d-H)\Big(1 - \frac{\cos^2\theta}{q\cos^2\theta + \sin^2\theta/C}\Big) + (H-1)\Big(1 -
# \frac1q\Big) + R_w(\theta),
# $$
#
# where $R_w$ is the residual of the target $m + u_w$ on $\sin\theta\, S_{ww} + \cos\theta\, \tilde b_w$,
# $\sin\theta\, \tilde b_w + \cos\theta\, \tilde c$ and $\sum_i S_{ii}$ (moments in `head_law._along_mean`). *For
# finite $m$ we have no proof that $H$ heads cannot do better*; chapter 05 gives the evidence.
#
# **Theorem.** $(R_H^{\text{best}} - R_{\text{GD}})/m^2 \to r := \frac{2}{CH+2}$ as $m \to \infty$, *for every $H \le
# d$ and the best layer of $H$ heads.*
#
# *Proof.* *Above:* $\theta = \pi/2$ makes the constant from $H$ diagonal entries of $S$, with even part $m^2 r$ and
# a bounded odd part. *Below:* the component of the error along $w^*$ alone has a matrix $A = \begin{pmatrix} A_S &
# g/2 \\ g^\top/2 & k \end{pmatrix}$, the symmetric part of one of rank at most $H$, so that $A$ has at most $H$
# positive eigenvalues. Divide by $m$. Up to terms that vanish with $1/m$, the risk over $m^2$ is at least
#
# $$
# E(\langle A_S, S\rangle + k\tilde c - 1)^2 + q\|g\|^2 = (\operatorname{tr} M - 1)^2 + \tfrac2C \|M\|_F^2 + 2dq\,k^2
# + q\|g\|^2, \qquad M = A_S + kI .
# $$
#
# Let $\lambda = C/(CH+2)$, so that $1 - H\lambda = r$ and $2\lambda/C = r$. By the tangents $(s-1)^2 \ge r^2 - 2r(s -
# H\lambda)$ and $\tfrac2C x^2 \ge 2rx - r\lambda$, applied to the $H$ largest eigenvalues $x$ of $M$, and
# $\tfrac2C x^2 \ge 0$ for the others,
# the right side is at least $r - 2r\,\Sigma' + 2dq\,k^2 + q\|g\|^2$, $\Sigma'$ being the sum of the other $d-H$
# eigenvalues.
#
# If $k \le 0$, $M \preceq A_S$ has at most $H$ positive eigenvalues, so $\Sigma' \le 0$ and we are done.
#
# If $k > 0$, write $\gamma = \|g\|$. The Schur complement $A_S - gg^\top/4k$ has at most $H-1$ positive
# eigenvalues, so by Weyl's inequalities the $H$th eigenvalue $x$ of $M$ is at most $e = k + \gamma^2/4k$, and
# the later ones at most $k$. Its tangent leaves a slack $\tfrac2C(x-\lambda)^2$, which we keep. Multiplied by $C/2$,
# and with $Q = qC = C+d+1$ and $\gamma^2 = 4k(e-k)$, the excess over $r$ is at least
#
# $$
# (x-\lambda)^2 + (d-2)Q\,k^2 + 2Q\,ke - 2\lambda(d-H)\,k, \qquad x \le e, \; k \le e .
# $$
#
# Call it $\Psi(k, e)$ for $x = e$. We show that the expression is not negative.
#
# - $e \le \lambda$: then $(x-\lambda)^2 \ge (e-\lambda)^2$, and it is at least $\Psi(k, e)$.
# - $k \le \lambda < e$: as it grows with $e$, it is at least $\Psi(k, \lambda)$.
# - $k > \lambda$: it is at least $dQk^2 - 2\lambda(d-H)k > k\lambda\,(dQ - 2d) > 0$, as $Q \ge 3$.
#
# Over $e \ge k$, $\Psi$ is least at $e = \lambda - Qk$ if $k \le \lambda/(Q+1)$; there $\Psi =
# k\,\big(2\lambda(C+1+H) - Q(C+3)k\big) > 0$, as $Q(C+3)k < \lambda(C+3) \le 2\lambda(C+1+H)$. Otherwise it is
# least at $e = k$, where $\Psi = (dQ+1)k^2 - 2\lambda(d-H+1)k + \lambda^2$ has the discriminant
# $4\lambda^2\big((d-H+1)^2 - dQ - 1\big) < 0$. ∎

# %% tags=["hide-input"]
saved = results.save()
