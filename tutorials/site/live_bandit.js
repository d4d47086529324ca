// Draws the live bandit of `tutorials/live_bandit.py`; its mathematics is in bandit.js.
// `box`: the figure; `setup`: the presets, the start, and the methods with their looks.
function liveBandit(box, bandit, setup) {
  box.bandit = bandit; // for the console, and for tests
  const RUN = 50, REFERENCE = 1; // the second row is the reference
  const find = (selector) => box.querySelector(selector);
  const settings = find(".settings");
  let answers = setup.start.answers.map((each) => ({ ...each })), preset = setup.start.preset;
  let rewards, owner, random, steps, sampled, methods;

  // -- what is written --
  function make(tag, parent, text = "", attributes = {}) {
    const made = parent.appendChild(document.createElement(tag));
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }
  const plain = (number) => String(Number(number.toFixed(3))).replace("-", "−");
  function signed(number) {
    if (Math.abs(number) < 1e-12) return "0";
    return (number > 0 ? "+" : "−") + Math.abs(number).toFixed(2);
  }
  const field = (name) => settings.querySelector(`[name="${name}"]`);
  const number = (name) => Number(field(name).value);
  const swatch = (look) =>
    `<svg class="swatch" viewBox="0 0 40 6" aria-hidden="true">${line("M1 3H39", look)}</svg>`;
  const line = (path, look) =>
    `<path d="${path}" fill="none" stroke="${look.colour}" stroke-width="2.2" stroke-dasharray="${look.dashes}" vector-effect="non-scaling-stroke"/>`;
  const V = (method) => method.values[method.values.length - 1];

  // -- the run --
  function start() {
    rewards = [], owner = [];
    const logits = [];
    const total = answers.reduce((all, each) => all + each.start, 0);
    answers.forEach(function (answer, row) {
      for (let copy = 0; copy < answer.copies; copy++) {
        rewards.push(answer.reward);
        owner.push(row);
        logits.push(Math.log(answer.start / answer.copies / total));
      }
    });
    random = bandit.generator(number("seed"));
    steps = 0;
    sampled = false;
    methods = setup.methods.map((look) => ({ look, logits, values: [bandit.value(logits, rewards)], group: null }));
    build();
    show();
  }

  function sample() {
    const uniforms = Array.from({ length: number("G") }, random);
    for (const method of methods) {
      const pi = bandit.softmax(method.logits);
      method.group = uniforms.map((uniform) => bandit.draw(pi, uniform));
      method.earned = method.group.map((answer) => rewards[answer]);
      method.A = bandit.advantages(method.earned, rewards[REFERENCE], method.look.key !== "GRPO");
      method.w = bandit.weights[method.look.key](method.earned, rewards[REFERENCE], number("β"), number("λ"));
      method.dead = method.earned.every((each) => each === method.earned[0]);
    }
    sampled = true;
  }

  function step() {
    if (!sampled) sample();
    for (const method of methods) {
      method.logits = bandit.step(method.logits, method.group, method.w, REFERENCE, number("rate"));
      method.values.push(bandit.value(method.logits, rewards));
    }
    steps += 1;
    sampled = false;
  }

  function run(count) {
    const dead = methods.map(() => 0);
    for (let n = 0; n < count; n++) {
      step();
      methods.forEach((method, index) => { dead[index] += method.dead; });
    }
    return dead;
  }

  // -- the picture --
  function build() {
    const cards = find(".methods");
    cards.textContent = "";
    for (const method of methods) {
      const card = make("section", cards, "", { "aria-label": method.look.name });
      make("p", card, "", { class: "name" }).innerHTML = `${swatch(method.look)}<strong></strong> <span></span>`;
      card.querySelector("strong").textContent = method.look.name;
      make("p", card, "", { class: "samples" });
      const table = make("table", card), head = make("tr", make("thead", table)), body = make("tbody", table);
      for (const title of ["answer", "probability", "count", "Â", "weight"]) make("th", head, title, { scope: "col" });
      answers.forEach(function (answer) {
        const row = make("tr", body);
        make("th", row, answer.name, { scope: "row" });
        make("small", row.firstChild, `R = ${plain(answer.reward)}`);
        const cell = make("td", row, "", { class: "pi" });
        make("i", cell, "", { style: `background: ${method.look.colour}` });
        make("span", cell);
        for (let n = 0; n < 3; n++) make("td", row);
      });
      make("p", card, "", { class: "words" });
      method.card = card;
    }
  }

  function show() {
    for (const method of methods) {
      const pi = bandit.softmax(method.logits), rows = method.card.querySelectorAll("tbody tr");
      method.card.querySelector(".name span").textContent = `V = ${V(method).toFixed(3)}`;
      answers.forEach(function (_, row) {
        const of = (values) => values.reduce((all, each, answer) => all + (owner[answer] === row ? each : 0), 0);
        const [bar, percent] = rows[row].querySelectorAll(".pi > *");
        bar.style.width = `${100 * of(pi)}%`;
        percent.textContent = `${(100 * of(pi)).toFixed(1)} %`;
        weigh(method, row, Array.from(rows[row].children).slice(2));
      });
      explain(method);
    }
    chart();
    link();
  }

  function weigh(method, row, [count, advantage, weight]) {
    for (const cell of [count, advantage, weight]) cell.textContent = "";
    if (!method.group) return;
    const mine = method.group.map((answer, i) => (owner[answer] === row ? i : -1)).filter((i) => i >= 0);
    const given = row === REFERENCE ? method.w.reference : 0;
    count.textContent = String(mine.length);
    const inPool = row === REFERENCE && method.look.key !== "GRPO";
    if (mine.length || inPool) advantage.textContent = signed(mine.length ? method.A.outputs[mine[0]] : method.A.reference);
    weight.textContent = signed(given + mine.reduce((all, i) => all + method.w.outputs[i], 0));
  }

  function explain(method) {
    const { card, group } = method, words = card.querySelector(".words"), list = card.querySelector(".samples");
    card.classList.remove("dead");
    list.textContent = group ? "rewards of the samples: " : "no group yet";
    words.textContent = "";
    if (!group) return;
    method.group.forEach((answer) => make("span", list, plain(rewards[answer]), owner[answer] === REFERENCE ? { class: "y" } : {}));
    const each = signed(method.w.outputs[0]), given = signed(method.w.reference);
    const nothing = each === "0" && given === "0", wy = `<i>w</i><sub>y</sub> = ${given}`;
    if (method.dead) {
      void card.offsetWidth; // so that the flash starts anew
      card.classList.add("dead");
      words.innerHTML = `<strong>Dead group.</strong> All ${group.length} samples earn ${plain(method.earned[0])}. ` +
        (nothing ? "All weights are 0, so nothing moves." : `Each sample has the weight ${each}, the reference ${wy}.`);
    } else {
      words.innerHTML = method.look.key === "GRPO" ? "The reference is not used." : `The reference has the weight ${wy}.`;
    }
  }

  function chart() {
    const svg = find(".plot svg"), last = Math.max(RUN, steps);
    const low = Math.min(0, ...rewards), span = Math.max(...rewards) - low || 1;
    const height = (value) => 97 - (94 * (value - low)) / span;
    const path = (values) => values.map((value, n) => `${n ? "L" : "M"}${((100 * n) / last).toFixed(2)} ${height(value).toFixed(2)}`).join("");
    const y = height(rewards[REFERENCE]);
    svg.innerHTML = `<path d="M0 ${y}H100" class="level" vector-effect="non-scaling-stroke"/>` + methods.map((method) => line(path(method.values), method.look)).join("");
    svg.setAttribute("aria-label", `Expected reward after ${steps} steps: ` + methods.map((method) => `${method.look.name} ${V(method).toFixed(3)}`).join(", "));
    find(".plot").querySelectorAll("span").forEach((each) => each.remove());
    for (const [value, text] of [[low + span, plain(low + span)], [rewards[REFERENCE], `y: ${plain(rewards[REFERENCE])}`], [low, plain(low)]]) {
      if (value === rewards[REFERENCE] || Math.abs(value - rewards[REFERENCE]) > 0.12 * span)
        make("span", find(".plot"), text, { style: `top: ${height(value)}%` });
    }
    find(".last").textContent = String(last);
    find(".legend").innerHTML = methods.map((method) => `<li>${swatch(method.look)}${method.look.name}</li>`).join("");
  }

  // -- the state in a link --
  function link() {
    const state = new URLSearchParams({ preset, steps, sampled: Number(sampled) });
    for (const name of ["seed", "G", "β", "λ", "rate"]) state.set(name, field(name).value);
    state.set("rewards", answers.map((each) => each.reward).join(" "));
    state.set("start", answers.map((each) => each.start).join(" "));
    find(".buttons a").setAttribute("href", `#bandit:${state}`);
  }

  function restore() {
    if (!location.hash.startsWith("#bandit:")) return false;
    const state = new URLSearchParams(location.hash.slice("#bandit:".length));
    if (!setup.presets[state.get("preset")]) return false;
    choose(state.get("preset"));
    for (const name of ["seed", "G", "β", "λ", "rate"]) if (state.has(name)) field(name).value = state.get(name);
    const listed = (name) => (state.get(name) || "").split(" ").map(Number);
    const changed = answers.map((each, row) => ({ ...each, reward: listed("rewards")[row], start: listed("start")[row] }));
    if (changed.every((each) => Number.isFinite(each.reward) && each.start > 0)) answers = changed;
    form();
    outputs();
    start();
    run(Math.min(Number(state.get("steps")) || 0, 5000));
    if (state.get("sampled") === "1") sample();
    show();
    say(`Repeated from the link: ${steps} steps.`);
    return true;
  }

  // -- what the reader does --
  const say = (words) => { find(".said").textContent = words; };
  const values = () => methods.map((method) => `${method.look.name} ${V(method).toFixed(3)}`).join(", ");

  function choose(name) {
    preset = name;
    field("preset").value = name;
    answers = setup.presets[name].map((each) => ({ ...each }));
  }

  function form() {
    const place = find(".answers");
    place.textContent = "";
    answers.forEach(function (answer) {
      const set = make("fieldset", place);
      make("legend", set, answer.name);
      for (const [key, words, low, high, by] of [["reward", "reward", -10, 10, 0.1], ["start", "probability at the start", 0.001, 1, "any"]]) {
        const label = make("label", set, words + " ");
        const input = make("input", label, "", { type: "number", min: low, max: high, step: key === "reward" ? "any" : by, value: answer[key] });
        input.addEventListener("change", function () {
          if (!input.reportValidity() || input.value === "") return;
          answer[key] = Number(input.value);
          start();
          say(`Started again: ${answer.name} has the ${words} ${plain(answer[key])}. Probabilities are divided by their sum.`);
        });
      }
    });
  }

  function outputs() {
    settings.querySelectorAll("output").forEach((each) => { each.textContent = each.previousElementSibling.value; });
  }

  settings.addEventListener("input", outputs);
  settings.addEventListener("change", function (event) {
    if (!event.target.reportValidity()) return;
    if (event.target.name === "preset") {
      choose(event.target.value);
      form();
    }
    start();
    say(`Started again with ${event.target.labels[0].firstChild.textContent} ${event.target.value}.`);
  });
  const act = {
    sample() {
      sample();
      show();
      const dead = methods.filter((method) => method.dead).map((method) => method.look.name);
      say(`A group of ${number("G")} is sampled for step ${steps + 1}. ` +
        (dead.length ? `Dead group (all samples earn the same): ${dead.join(", ")}.` : "No group is dead.") + " Press step to apply the weights.");
    },
    step() {
      const dead = run(1);
      show();
      const names = methods.filter((_, index) => dead[index]).map((method) => method.look.name);
      say(`Step ${steps}. V: ${values()}.` + (names.length ? ` The group was dead: ${names.join(", ")}.` : ""));
    },
    run() {
      const dead = run(RUN);
      show();
      say(`Step ${steps}. V: ${values()}. Dead groups in these ${RUN} steps: ` + methods.map((method, index) => `${method.look.name} ${dead[index]}`).join(", ") + ".");
    },
    reset() {
      start();
      say("Started again from the seed.");
    },
  };
  box.querySelectorAll("button").forEach((button) => button.addEventListener("click", act[button.name]));
  addEventListener("hashchange", restore);
  if (restore()) box.scrollIntoView();
  else {
    form();
    start();
    say("Press sample a group.");
  }
}
