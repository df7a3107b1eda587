// The filters of the report card. Without this script every claim is shown.
document.addEventListener("DOMContentLoaded", () => {
  const report = document.querySelector(".iclnb-report");
  const form = report && report.querySelector("form");
  if (!form) return;
  const chosen = name => form.elements[name].value;
  const fits = (name, value) => chosen(name) === "*" || chosen(name) === value;
  const show = (element, shown) => { element.hidden = !shown; return shown; };
  const filter = () => {
    let claims = 0, all = 0;
    for (const chapter of report.querySelectorAll("section")) {
      let some = false;
      for (const claim of chapter.querySelectorAll("article")) {
        let runs = 0;
        for (const run of claim.querySelectorAll("li")) {
          runs += show(run, fits("verdict", run.dataset.verdict) && fits("model", run.dataset.model));
        }
        const shown = runs > 0 && fits("paper", claim.dataset.paper) && fits("chapter", chapter.dataset.chapter);
        some = show(claim, shown) || some;
        claims += shown;
        all += 1;
      }
      show(chapter, some);
    }
    form.querySelector("output").textContent = `${claims} of ${all} claims`;
  };
  form.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  filter();
});
