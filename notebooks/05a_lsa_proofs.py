# %% [markdown]
# # Appendix 05a: proofs for linear self-attention
#
# Proofs of what [chapter 05](05_yq_lsa) uses. Notation as there: $x_i, x_q \sim N(0, I_d)$, $w = w^* + u$ with $u
# \sim N(0, I_d)$, labels $y_i = w^\top x_i + \varepsilon_i$ with noise of variance $\sigma^2$ (the paper has
# $\sigma = 0$), $G = EME^\top/C$, $p_h$ the last row of $W_{PV}^h$, $U_h = W_{KQ}^h\binom{I}{v^\top}$, $m = \|w^*\|$.

# %% tags=["parameters", "hide-input"]
profile: str = "laptop"  # smoke, laptop or paper
d: int = 10  # inputs of the regression
n_context: int = 10  # C, examples in a prompt
evaluation_seed: int = 2  # prompts on which identities are checked

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.lsa import estimates
from iclnb.lsa.measure_proofs import measure

run = settings.read(globals())

# %% tags=["hide-input"]
ladder = ladders.measured("05a_lsa_proofs", measure, run)
results = claims.Results(ladder)

# %% [markdown] tags=["answer"]
# **Answer.** What would make heads without a guess a step of gradient descent after all?
# {claim}`A coordinate of the tokens that is always one <constant-coordinate: proved everywhere>`, or {claim}`inputs that
# all have the same length <inputs-of-one-length: proved everywhere>`. Without either, {claim}`a gap is left that grows,
# for a mean $w^*$ far from zero, with its square and shrinks with the number of examples times heads, as long as there are no more heads
# than coordinates <head-law-limit: proved everywhere>`. {claim}`Heads whose weights are normalised, as by softmax, come as
# near as one likes to what linear heads do, at the price of one more head and one example <one-head-more: proved
# everywhere>`.

# %% [markdown]
# ## The layer is linear in $G$
#
# The last entry of $f(E)$ is
#
# $$
# \hat y = \Big(v + \sum_h U_h^\top G\, p_h\Big)^{\!\top} x_q = \big\langle T, \; G \otimes x_q \big\rangle
# + v^\top x_q, \qquad T = \sum_h p_h \otimes U_h .
# $$
#
# So the layer estimates $w$ by $\hat w = v + \sum_h U_h^\top G\, p_h$, and its risk is $E\|\hat w - w\|^2$.
#
# **Proposition 1.** *Every LSA of $H$ heads makes the same predictions as one of $\min(H, d+1)$ heads.*
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
# heads is mapped onto itself. Only the target changes:
#
# $$
# \begin{gathered}
# \hat w - w = \tilde T \cdot \tilde G + (v - w^*) - u, \qquad
# \tilde G = \begin{pmatrix} S & \tilde b \\ \tilde b^\top & \tilde c \end{pmatrix}, \\
# S = \tfrac1C \textstyle\sum x_i x_i^\top, \quad \tilde b = \tfrac1C\sum \tilde y_i x_i, \quad
# \tilde c = \tfrac1C\sum\tilde y_i^2 .
# \end{gathered}
# $$
#
# Turn $u$ and all $\varepsilon_i$ into their opposites: $\tilde b$ changes its sign, $S$ and $\tilde c$ do not. So
# the cross terms vanish, and for heads without limit the risk is the sum of two separate problems:
#
# $$
# \underbrace{E\big\| \Gamma \tilde b - u \big\|^2}_{\text{odd: one step of GD from } w^*} \; + \;
# \underbrace{E\big\| A(S, \tilde c) - (w^* - v) \big\|^2}_{\text{even: a constant out of } S, \tilde c} .
# $$
#
# ## Heads without limit
#
# **Odd part.** $\Gamma = E[u \tilde b^\top] E[\tilde b \tilde b^\top]^{-1}$ with $E[u\tilde b^\top] = I$
# and $E[\tilde b\tilde b^\top] = q I$, $q = 1 + (d+1+\sigma^2)/C$. So $\Gamma = \eta^* I$, $\eta^* = 1/q$, and the
# risk of the best step of GD from $w^*$ is $R_{\text{GD}} = d(1-\eta^*)$, whatever $w^*$ is.
#
# **Even part.** If $v$ is free, $v = w^*$ and $A = 0$ make it zero: $y_q$-LSA attains the risk of
# GD, and one head is enough. If $v = 0$, the constant $w^*$ has to be made from $S$ and $\tilde c$. Every
# component of $w^*$ poses the same problem, so the even part is $m^2 \min_a E (a(S, \tilde c) - 1)^2$ over linear
# $a$. Write $\tilde c = t + e$ with $t = \operatorname{tr} S$. Given the inputs, $e$ has mean $\sigma^2$, so it is
# uncorrelated with $S$; its variance is $V = \tfrac2C\big(d(C+1) + d^2 + 2\sigma^2 d + \sigma^4\big)$. Averaging $a$
# over rotations of the inputs cannot raise the risk, so $a = \alpha t + \beta e$. As $t \sim \chi^2_{Cd}/C$ has mean
# $d$ and variance $2d/C$, and a target 1 on uncorrelated features of means $\mu_i$ and variances $\kappa_i$ leaves
# $1/(1 + \sum \mu_i^2/\kappa_i)$,
#
# $$
# R_{\text{LSA}} - R_{\text{GD}} = \frac{m^2}{1 + \frac{Cd}2 + \frac{\sigma^4}V}, \qquad
# \text{without noise} \quad \frac{2m^2}{Cd+2} .
# $$
#
# **On the scale of the risk.** Without noise, and with $m = \kappa\sqrt d$ ($\sqrt d$ is how far $w$ typically lies
# from $w^*$), the gap is the share $\frac{2\kappa^2(C+d+1)}{(d+1)(Cd+2)}$ of $R_{\text{GD}}$. As $C$ grows, both vanish
# like $1/C$ and the share tends to $\frac{2\kappa^2}{d(d+1)} = \frac{2m^2}{d^2(d+1)}$: it does not vanish.
#
# **Inputs of covariance $\Lambda$.** In the coordinates $z = \Lambda^{-1/2}x$ the matrix $S_z$ is as before, and the
# mean of $\tilde c$ given the inputs, $\operatorname{tr}(\Lambda S_z)$ without noise, is still linear in $S_z$; put it
# in the place of $\tilde c$ and average over rotations. Hence $\Gamma = \big((1 + \tfrac1C)\Lambda +
# \tfrac{\operatorname{tr}\Lambda}{C} I\big)^{-1}$ and the gap $2\, w^{*\top}\Lambda w^* / (Cd + 2)$.
#
# **A prior of covariance $\Sigma$.** Inputs $\Sigma^{1/2}x$ and weights $\Sigma^{-1/2}w$ make the same labels, and
# those weights have covariance $I$. The gap is $2\,w^{*\top}\Lambda w^*/(Cd+2)$ again, whatever $\Sigma$ is.
#
# **A constant coordinate.** With tokens $(1, x, y)$ the matrix $G$ has the entry 1. A head with $p = e_1$ and
# $U_{1j} = w^*_j$ adds $w^{*\top}x_q$; a second with $p = (0, -w^*, 1)$ and $U = \eta^* I$ on the inputs adds the
# step. The sum is GD from $w^*$. Nothing linear does better: the new entries of $G$, the means of $x$ and
# $\tilde y$, are odd in $x$, and uncorrelated with $S$, $\tilde b$, $\tilde c$ and $u$.
#
# **Inputs of one length.** If $\|x_i\|^2 = d$, then $\operatorname{tr} S = d$ for every prompt: the heads $p = e_i$,
# $U_{ij} = w^*_j/d$ for $i = 1..d$ add up to the constant $w^{*\top}x_q$, and with the row $(-w^*, 1)$ to a step from it.

# %% tags=["hide-input"]
results.proved(
    "constant-coordinate",
    "With a constant token coordinate, two heads without a guess are one step of GD from w*.",
    lambda one: estimates.proved(
        one, "constant coordinate", "without the head that reads it"
    ),
    proof="05a, a constant coordinate",
)

# %% tags=["hide-input"]
results.proved(
    "inputs-of-one-length",
    "On inputs of length √d, heads without a guess are one step of GD from w*.",
    lambda one: estimates.proved(one, "one length", "Gaussian inputs"),
    proof="05a, inputs of one length",
)

# %% [markdown]
# **Elsewhere.** On prompts of $C'$ examples whose prior mean is $w^* + \delta$, the best step from $w^*$ errs by $(I -
# \eta^*S)(u + \delta)$. As $E(I - \eta S)^2 = \big(1 - 2\eta + \eta^2(1 + \tfrac{d+1}{C'})\big) I$, its risk is $(d +
# \|\delta\|^2)$ times that factor, which tends to $(1-\eta^*)^2$ as $C'$ grows.
#
# **$d$ heads suffice without noise, and $d-1$ do not.** At the optimum only the symmetric parts $A_j$ of the matrices
# $\tilde T_j = (\tilde T_{abj})_{ab}$ are prescribed: for $z = (z', \zeta)$, $z^\top A_j z = \alpha w^*_j\|z'\|^2 +
# \eta^*\zeta z'_j$. Put $\tilde T_{a,d+1,j} = \eta^* \delta_{aj}$ and $\tilde T_{abj} = \alpha\, \delta_{ab} w^*_j$ for
# $a, b \le d$: the last row of the unfolding is zero, and its rank at most $d$. With $d-1$ heads the rank leaves a
# space of two dimensions on which all $z^\top\tilde T_j$ vanish. It contains some $z = (z', 0)$ with $z' \ne 0$, so that
# $\alpha w^*_j\|z'\|^2 = 0$ for all $j$: impossible for $w^* \ne 0$. ∎
#
# ## The head law
#
# **Theorem 2.** *For $1 \le H \le d$, any $w^*$ of norm $m$ and any noise, the least risk of LSA of $H$ heads with $y_q
# = 0$ is*
#
# $$
# R_H = \min_\theta \; (d-H)\Big(1 - \frac{\cos^2\theta}{q\cos^2\theta + \sin^2\theta/C}\Big) + (H-1)\Big(1 -
# \frac1q\Big) + R_1(\theta),
# $$
#
# *where $R_1(\theta)$ is what least squares leaves of the target $m + u_1$ on the three features*
#
# $$
# f_1 = \sin\theta\, S_{11} + \cos\theta\, \tilde b_1, \qquad f_2 = \sin\theta\, \tilde b_1 + \cos\theta\, \tilde c,
# \qquad f_3 = \textstyle\sum_{i=2}^H S_{ii} .
# $$
#
# *Proof.* *1. Heads are a subspace.* The $j$th component of the estimate is $\sum_h p_h^\top \tilde G\, U_h e_j$. As the
# $U_h$ are free, it can be any combination of the features $p^\top\tilde G z$ with $p$ in the span $P$ of the rows and
# $z \in \mathbb R^{d+1}$, and all components share these features. Let $\mu$ be their mean, $\Sigma$ their second
# moment, $B_j$ their moment with $u_j$, and $w^* = m\,\nu$ with $\|\nu\| = 1$. Least squares of $w^*_j + u_j$ for every
# $j$ leaves
#
# $$
# R(P, \nu) = m^2\big(1 - \mu^\top\Sigma^+\mu\big) - 2m\, h^\top \nu + d - \textstyle\sum_j B_j^\top\Sigma^+B_j
# \quad\text{with } h_j = \mu^\top\Sigma^+B_j . \tag{1}
# $$
#
# *2. Rotations.* For an orthogonal $O$ the inputs $Ox_i$ and the deviation $Ou$ have the same law as $x_i$ and $u$, and
# $\tilde G$ becomes $\hat O\tilde G\hat O^\top$ with $\hat O = \operatorname{diag}(O, 1)$. So $R(\hat OP, O\nu) = R(P,
# \nu)$. In particular, if $\hat OP = P$, then $R(P, O\nu) = R(P, \nu)$ for all $\nu$, and by (1) $O^\top h = h$.
#
# *3. One form for all.* We may take $P$ of dimension $H$, since more features do no harm. It meets the space of the
# inputs in at least $H-1$ dimensions. Let $F$ be $H-1$ of them, and $(\sin\theta\, a, \cos\theta)$ a unit vector of $P$
# orthogonal to $F$, with a unit vector $a \perp F$; there is one, as $H \le d$. Rotate $a$ into $e_1$ and $F$ into the
# span of $e_2, \dots, e_H$. Every $P$ becomes a $P_\theta$, whose basis is $(\sin\theta\, e_1, \cos\theta)$, $e_2,
# \dots, e_H$.
#
# *4. The direction of $w^*$.* The reflection of one $e_i$, $i \ge 2$, maps $P_\theta$ to itself. So $h_i = 0$ by step
# 2: $h$ is a multiple of $e_1$, and (1) is affine in $\nu_1$, hence least at $\nu_1 = 1$ or at $\nu_1 = -1$. The
# reflection of $e_1$ turns $(P_\theta, -e_1)$ into $(P_{-\theta}, e_1)$. What is left is a minimum over $\theta$, with
# $w^* = m e_1$.
#
# *5. The regression.* By convexity the best coefficients may be averaged over the rotations that keep $e_1$, the span
# of $e_2, \dots, e_H$ and the span of the others. What is left for component 1 are $f_1, f_2, f_3$. For a component $i$
# of the second group it is $\tilde b_i$ and $S_{1i}$; the latter is even and the target $u_i$ odd, so $\tilde b_i$ alone
# counts and leaves $1 - 1/q$. For the other $d-H$ components it is $\sin\theta\, S_{1j} + \cos\theta\, \tilde b_j$, whose
# second moment is $\sin^2\theta/C + q\cos^2\theta$ and whose moment with $u_j$ is $\cos\theta$. The moments of $f_1, f_2,
# f_3$ follow from Isserlis' theorem (`head_law`).
#
# The least value is attained: no quadratic form vanishes on all prompts, so the rank of $\Sigma$ is the same for all
# $P$, and (1) is continuous on the compact set of subspaces. ∎
#
# **Theorem 3.** *For $H \le d$ and any noise, $(R_H - R_{\text{GD}})/m^2 \to \frac{2}{CH+2}$ as $m \to \infty$.*
#
# *Proof.* In (1) the second and third term are bounded ($h_1^2 \le 1$ by Cauchy and Schwarz), so the limit is
# $\min_\theta (1 - \mu^\top\Sigma^+\mu) = 1/(1 + \max_\theta \mu^\top K^{-1}\mu)$, $K$ being the covariance of $f_1, f_2,
# f_3$. Take $\cos\theta\, f_3$ off $f_2$; then $f_3$ is uncorrelated with the others and adds $(H-1)^2 \big/
# \tfrac{2(H-1)}C = \tfrac C2(H-1)$. Put $\alpha = 2/C$, $N = d - H + 1 + \sigma^2$, $W = \alpha(d-H+1) + V$ and $\tau =
# \cot^2\theta$. The other two have means $(\sin\theta, N\cos\theta)$, variances $\alpha\sin^2\theta + q\cos^2\theta$ and
# $q\sin^2\theta + W\cos^2\theta$, covariance $(\alpha+q)\sin\theta\cos\theta$, and add
#
# $$
# \frac{q + \tau\,\big(W - 2N(\alpha+q) + \alpha N^2\big) + \tau^2 qN^2}{\alpha q + \tau\,\alpha\,(W - \alpha - 2q) +
# \tau^2 qW} .
# $$
#
# At $\tau = 0$ this is $1/\alpha = \tfrac C2$, and nowhere is it more: the numerator minus $1/\alpha$ times the
# denominator is $\tau(N-1)\big(\alpha(N-1) - 2q\big) + \tau^2 q\,(N^2 - W/\alpha)$. Here $\alpha(N-1) = \tfrac2C(d - H +
# \sigma^2) < 2q$, and $W/\alpha = d - H + 1 + d(C+1) + d^2 + 2\sigma^2 d + \sigma^4 > N^2$. So the maximum is $\tfrac
# C2(H-1) + \tfrac C2$. ∎

# %% tags=["hide-input"]
results.proved(
    "head-law-limit",
    "At ‖w*‖ = 10,000 the gap over ‖w*‖² is 2 / (CH + 2) for every H up to d, without noise and with σ = 2.",
    lambda one: estimates.proved(one, "large mean", "d in the place of H"),
    proof="05a, theorem 3",
    tolerance=1e-06,
)

# %% [markdown]
# **The bound $d+1$ is attained.** With noise, $d+1$ heads have the gap $m^2/(1 + \tfrac{Cd}2 + \tfrac{\sigma^4}V)$ for
# every $m$, and $d$ heads by Theorem 3 tend to the larger $2m^2/(Cd+2)$: for a large mean the last head helps.
#
# ## Normalised heads
#
# With softmax in the place of $EME^\top$ the layer is $\hat y = \sum_h\sum_{i=1}^C \alpha^h_i\, p_h^\top e_i$, where
# $e_i = (x_i, y_i)$, $\alpha^h = \operatorname{softmax}_i(e_i^\top U_h x_q)$ and $y_q = 0$. No label noise here. The
# weights of a head sum to one. Is that the constant that linear heads lack?
#
# **Proposition 4 (one head).** *Let the logits read the inputs alone, let $\xi = \sum_i \alpha_i x_i$ be the mean of the
# inputs attended to, and write $p = (g - \pi w^*, \pi)$. The risk is*
#
# $$
# E\|\pi\xi - x_q\|^2 + E\big(g^\top\xi - w^{*\top}x_q\big)^2 .
# $$
#
# *If $U$ is a multiple of the identity on the inputs, the best such head has the risk $(1 + m^2/d)\,R_0$, where $R_0$
# is its risk for $w^* = 0$.*
#
# *Proof.* The error is $(g^\top\xi - w^{*\top}x_q) + u^\top(\pi\xi - x_q)$, and $u$ is independent of the inputs. For
# $U = \kappa I$ rotations of the inputs rotate $\xi$, so the second term is least at $g = \pi w^*$, where it is
# $\tfrac{m^2}d E\|\pi\xi - x_q\|^2$. ∎
#
# So weights that sum to one supply no constant. What they multiply are tokens, and no token of the context holds
# $w^{*\top}x_q$: the head knows the prior mean only as well as it can tell $x_q$ from where it looks. A head that looks
# in all directions alike has no use of the prior at all: its risk grows with $m$ as that of GD from 0.
#
# **Proposition 5 (one head more).** *$H+1$ normalised heads come as near as one likes to $H$ linear heads that see $C-1$
# examples.*
#
# *Proof.* Give $H$ of them the blocks $\epsilon U_h$ and the rows $p_h/\epsilon$, the last one $U = 0$ and the row
# $-\sum_h p_h/\epsilon$. As $\epsilon \to 0$, $\alpha^h_i = \tfrac1C\big(1 + \epsilon(z_i - \bar z)\big) +
# O(\epsilon^2)$ with $z_i = e_i^\top U_h x_q$, so the prediction tends to $\sum_h p_h^\top \bar G\,U_h x_q$, $\bar G =
# \tfrac1C\sum(e_i - \bar e)(e_i - \bar e)^\top$. Given $w$, the tokens are Gaussian of mean zero: $C\bar G$ has the law of
# $(C-1)\,G$ for $C-1$ examples. ∎

# %% tags=["hide-input"]
results.proved(
    "one-head-more",
    "Three normalised heads with small logits predict as two linear heads on centred tokens.",
    lambda one: estimates.proved(one, "centred", "tokens as they are"),
    proof="05a, proposition 5",
    tolerance=0.0001,
)

# %% [markdown]
# Two such heads and a guess are one step of GD from $w^*$ on $C-1$ examples, and $H+1$ without a guess keep at most the
# gap of $H$ linear heads. They may do better, since they need not stay near $\epsilon = 0$.
#
# **Proposition 6 (the query in sight).** *If the query attends to its own token $(x_q, 0)$ as well, one normalised head
# makes the constant $w^{*\top}x_q$ up to a mean square of at most $C\,2^{-d/2}\,m^2$.*
#
# *Proof.* Take $p = (w^*, 0)$ and $U = \kappa I$ on the inputs, $\kappa \to \infty$: the head looks at the token with the
# largest $x_i^\top x_q$ and errs by $w^{*\top}(x_q - x_i)$ if that is not the query. Given $r = \|x_q\|$, $z = x_i^\top
# x_q/r$ is standard normal, and $E\|x_q - x_i\|^2 1_{z > r} \le E(\|x_i\|^2 - r^2) 1_{z>r} = r\varphi(r) + (d - r^2)\,
# \Phi(-r)$. With $\Phi(-r) \le \tfrac12 e^{-r^2/2}$ and $r \sim \chi_d$, its mean is at most $d\,2^{-d/2}$. The error along
# $w^*$ is $m^2/d$ of that, for each of the $C$ examples. ∎
#
# A linear head has no such way: its weights grow with the length of the query, and its own token only disturbs it.

# %% tags=["hide-input"]
saved = results.save()
