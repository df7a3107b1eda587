// The filters of the results page. Without this script every claim is shown.
document.addEventListener("DOMContentLoaded", () => {
  const results = document.querySelector(".iclnb-results");
  const form = results && results.querySelector("form");
  if (!form) return;
  const fits = (name, value) => ["*", value].includes(form.elements[name].value);
  const filter = () => {
    const claims = [...results.querySelectorAll(".iclnb-row")];
    for (const claim of claims) {
      const marks = [...claim.querySelectorAll("summary b")];
      const found = marks.some(mark => fits("verdict", mark.dataset.verdict) && fits("run", mark.dataset.run));
      claim.hidden = !(found && fits("paper", claim.dataset.paper));
    }
    const shown = claims.filter(claim => !claim.hidden);
    for (const part of results.querySelectorAll("section, .iclnb-appendix")) {
      part.hidden = !shown.some(claim => part.contains(claim));
    }
    form.querySelector("output").textContent = `${shown.length} of ${claims.length} claims`;
  };
  form.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  filter();
});
