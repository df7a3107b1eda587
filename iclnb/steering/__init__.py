"""What steers in-context learning, and would a kernel do the same? (paper A, section 4.2; chapter 04).

- ``material``: test points, pool and held-out rows; embeddings and the kernel's bandwidth: the study
- ``study``: conditions put to the model and to kernel regression; ``measures``: what is read off answers
- ``conditions``: label noise, label words, formats, orders, perturbed texts; ``retrieval``: which rows
- ``calibration``: contextual, batch and domain-context calibration of answers in several orders
- ``perturb``, ``lexicon``: perturbations of texts, and the words that they use
- ``head_widths``: the weights of heads against the distance of demonstrations
- ``estimates``: the evidence of every claim, and the chapter's answer; ``estimates_order``: that on order
- ``tables``, ``pictures`` (made of ``drawing``): what the chapter and its appendix show
"""
