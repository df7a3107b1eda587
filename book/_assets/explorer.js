// The head explorer: sliders and menus choose a run, prompt, layer and head; three charts and a table show
// that head's weights. Charts are drawn by Observable Plot (on D3; plot/LICENSE), kept here once for the book and
// loaded by this page alone: it writes SVG in the page's own colours, so that both schemes follow at once, text
// keeps its size at any width, and axes, ticks and tips need no code of ours. Plotly and Bokeh weigh two to nine
// times as much and draw with colours of their own. Choices are the browser's own sliders and menus, so that the
// keyboard reaches them. All runs are in the page.
(() => {
  const root = document.querySelector(".iclnb-explorer");
  if (!root || !window.Plot) return;
  const runs = JSON.parse(root.querySelector("script").textContent);
  const form = root.querySelector("form"), fields = form.elements, charts = root.querySelector(".charts");
  const numbers = text => text.split(" ").map(Number);
  const at = name => Number(fields[name].value);

  const menu = (name, names) => {
    const kept = fields[name].value;
    fields[name].replaceChildren(...names.map(([value, text]) => new Option(text, value)));
    if (names.some(([value]) => String(value) === kept)) fields[name].value = kept;
  };
  const slider = (name, count, value = Math.min(at(name), count - 1)) => {
    fields[name].max = count - 1;
    fields[name].value = value;
  };

  // What the fields choose; the fields themselves, where the run has changed.
  const chosen = () => {
    const run = runs[at("run")], prompt = run.prompts[at("prompt")], layer = at("layer"), head = at("head");
    const k = prompt.labels.length, all = numbers(prompt.shares), start = (layer * run.heads + head) * k;
    return {
      run, prompt, layer, head, k, shares: all.slice(start, start + k),
      maps: Object.entries(run.maps).map(([name, text]) => [name, numbers(text)]),
      similarity: numbers(prompt.similarity[fields.similarity.value]), answers: numbers(prompt.answers),
    };
  };
  const fill = () => {
    const run = runs[at("run")];
    menu("similarity", Object.keys(run.prompts[0].similarity).map(name => [name, name]));
    menu("map", Object.keys(run.maps).map((name, i) => [i, name]));
    slider("prompt", run.prompts.length);
    slider("layer", run.layers, run.head[0]);
    slider("head", run.heads, run.head[1]);
  };

  const sum = list => list.reduce((a, b) => a + b, 0), best = list => list.indexOf(Math.max(...list));
  const said = ({ run, k, prompt, layer, head, shares, maps, answers }) => {
    const votes = run.words.map((_, c) => sum(shares.filter((_, i) => prompt.labels[i] === c)) / sum(shares));
    const [agrees, ...follows] = maps.map(([name, values]) => [name, values[layer * run.heads + head]]);
    return `Layer ${layer}, head ${head} gives ${Math.round(100 * Math.max(...votes))} % of its weight to ` +
      `demonstrations labelled “${run.words[best(votes)]}”; the model answers “${run.words[best(answers)]}” ` +
      `(${Math.max(...answers)} %); the true label is “${run.words[prompt.truth]}”. Over all prompts this head ` +
      `gives the model's answer in ${agrees[1]} % (priors off), and of the variance of its weights' ranks is ` +
      `explained by ${follows.map(([name, share]) => `${name} ${share} %`).join(", ")}; by chance ` +
      `${Math.round(100 / (k - 1))} %.`;
  };

  const chart = (title, label, options) => {
    const box = document.createElement("div"), heading = document.createElement("p");
    heading.textContent = title;
    box.append(heading);
    charts.append(box);
    const style = { fontSize: "12px", background: "none", overflow: "visible" };
    const drawn = Plot.plot({ width: box.clientWidth, height: 280, marginLeft: 44, marginBottom: 42, style, ariaLabel: label, ...options });
    drawn.setAttribute("role", "img");
    for (const part of drawn.querySelectorAll("g[aria-label]")) part.removeAttribute("aria-label");  // of an image
    box.append(drawn);
    return drawn;
  };
  const map = ({ run, layer, head, maps }) => {
    const [name, values] = maps[at("map")];
    const cells = values.map((value, i) => ({ layer: Math.floor(i / run.heads), head: i % run.heads, value }));
    const here = cells.filter(cell => cell.layer === layer && cell.head === head), place = { x: "head", y: "layer" };
    const ticks = count => cells.map((_, i) => i).filter(i => i < count && i % Math.ceil(count / 8) === 0);
    const low = Math.min(...values), high = Math.max(...values), title = `${name}, every head: ${low} to ${high} %`;
    const drawn = chart(`${title}; click to choose`, `Map of ${title}`, {
      x: { ticks: ticks(run.heads) }, y: { reverse: true, ticks: ticks(run.layers) }, opacity: { domain: [low, high], range: [0.08, 1] },
      marks: [
        Plot.cell(cells, { ...place, fill: "currentColor", fillOpacity: "value", inset: 0.5, className: "every" }),
        Plot.cell(here, { ...place, fill: "none", stroke: "var(--iclnb-no)", strokeWidth: 3, inset: -1 }),
        Plot.tip(cells, Plot.pointer({ ...place, title: ({ layer, head, value }) => `layer ${layer}, head ${head}: ${value} %`, fill: "var(--pst-color-background)" })),
      ],
    });
    drawn.addEventListener("click", () => {
      if (!drawn.value) return;
      fields.layer.value = drawn.value.layer;
      fields.head.value = drawn.value.head;
      show();
    });
  };
  const dots = (rows, words, x, text) => {
    const scale = { domain: words, range: ["var(--iclnb-yes)", "var(--iclnb-no)", "var(--iclnb-other)", "var(--iclnb-open)"] };
    const step = Math.ceil(rows.length / 8), places = rows.map(row => row.position).filter(i => i % step === 0);
    const drawn = chart(`weight (%) by ${text}`, `Weight of each demonstration by its ${text}; the table below has the numbers`, {
      x: { label: text, ticks: x === "position" ? places : 3, tickFormat: x === "position" ? "d" : undefined }, y: { label: "%", grid: true, zero: true }, color: scale,
      symbol: { domain: words, range: ["circle", "square2", "triangle2", "diamond2"] },
      marks: [
        Plot.ruleY([0]),
        x === "position" ? Plot.ruleX(rows, { x, y: "weight", stroke: "label", strokeWidth: 2 }) : null,
        Plot.dot(rows, { x, y: "weight", fill: "label", symbol: "label", r: 5 }),
        Plot.tip(rows, Plot.pointer({ x, y: "weight", title: row => `${row.position}. ${row.label}\n${row.text}`, lineWidth: 24, fill: "var(--pst-color-background)" })),
      ],
    });
    return drawn.legend("symbol", { style: { fontSize: "12px", background: "none" } });
  };
  const table = rows => root.querySelector("tbody").replaceChildren(...rows.map(row => {
    const line = document.createElement("tr");
    for (const text of [row.position, row.text, row.label, row.similarity, `${row.weight.toFixed(1)} %`]) line.insertCell().textContent = text;
    line.lastChild.style.setProperty("--w", (row.weight / Math.max(...rows.map(other => other.weight))).toFixed(2));
    return line;
  }));

  const show = () => {
    const now = chosen(), { run, prompt } = now;
    const rows = now.shares.map((share, i) => ({
      position: i + 1, text: prompt.texts[i], label: run.words[prompt.labels[i]], similarity: now.similarity[i], weight: share / 10,
    }));
    for (const [name, value] of Object.entries({ prompt: at("prompt") + 1, layer: now.layer, head: now.head })) {
      fields[name].parentElement.querySelector("output").textContent = value;
      fields[name].setAttribute("aria-valuetext", value);
    }
    root.querySelector(".query").textContent = `Query: ${prompt.query}`;
    root.querySelector(".said").textContent = said(now);
    root.querySelector("caption").textContent = `The demonstrations of this prompt, in its order; similarity: ${fields.similarity.value}`;
    table(rows);
    charts.replaceChildren();
    map(now);
    dots(rows, run.words, "position", "position in the prompt");
    charts.append(dots(rows, run.words, "similarity", fields.similarity.value));
  };

  menu("run", runs.map((run, i) => [i, run.title]));
  form.hidden = false;
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", event => {
    if (event.target.name === "run") fill();
    show();
  });
  fill();
  show();
  let width = root.clientWidth;
  new ResizeObserver(() => { if (root.clientWidth !== width) { width = root.clientWidth; show(); } }).observe(root);
})();
