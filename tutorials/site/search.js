"use strict";
// The search of the site. The index is a script beside the pages, which is loaded when the search is first used.
(function () {
  const input = document.getElementById("search");
  const list = document.getElementById("results");
  const status = input.form.querySelector("[role=status]");
  const MOST = 20;
  let chosen = -1;
  let known = null;

  function load() {
    if (known) return;
    known = [];
    const script = document.createElement("script");
    script.src = "search-index.js";
    script.onload = () => {
      for (const [file, title, parts] of window.SITE_INDEX) {
        for (const [place, heading, words] of parts) {
          known.push({ file, title, place, heading, words, low: [title, heading, words].map(plain) });
        }
      }
      search();
    };
    document.head.append(script);
  }

  // Without accents and capitals; every letter stays one letter, so that places in the text are the same.
  function plain(text) {
    return Array.from(text.toLowerCase(), (each) => each.length > 1 ? each : each.normalize("NFD")[0]).join("");
  }

  // How well a part fits one word: the heading counts more than the text, and a whole word more than its beginning.
  function fits(part, word) {
    let best = 0;
    [6, 5, 2].forEach((weight, index) => {
      const text = part.low[index];
      const at = text.indexOf(word);
      if (at < 0) return;
      const begins = new RegExp(`(^|[^\\p{L}\\p{N}_])${word.replace(/[^\p{L}\p{N}_]/gu, "\\$&")}`, "u").test(text);
      const isWhole = begins && new RegExp(`(^|[^\\p{L}\\p{N}_])${word.replace(/[^\p{L}\p{N}_]/gu, "\\$&")}($|[^\\p{L}\\p{N}_])`, "u").test(text);
      best = Math.max(best, weight * (isWhole ? 1 : begins ? 0.7 : 0.3));
    });
    return best;
  }

  function found(words) {
    const scored = [];
    for (const part of known) {
      const each = words.map((word) => fits(part, word));
      if (each.every((score) => score > 0)) {
        const isTop = part.place === "" || part.heading === part.title ? 1.5 : 1;
        const isReference = /^api/.test(part.file) ? 0.8 : 1;
        scored.push([each.reduce((a, b) => a + b) * isTop * isReference, part]);
      }
    }
    return scored.sort((a, b) => b[0] - a[0]).slice(0, MOST).map((pair) => pair[1]);
  }

  // The text around the first word that is found, with all of them marked.
  function excerpt(part, words) {
    const places = words.map((word) => part.low[2].indexOf(word)).filter((at) => at >= 0);
    const start = places.length ? Math.max(0, Math.min(...places) - 40) : 0;
    return marked((start ? "…" : "") + part.words.slice(start, start + 130) + (part.words.length > start + 130 ? "…" : ""), words);
  }

  function marked(text, words) {
    const line = document.createDocumentFragment();
    const low = plain(text);
    let at = 0;
    while (at < text.length) {
      const next = words.map((word) => [low.indexOf(word, at), word.length]).filter((pair) => pair[0] >= 0).sort((a, b) => a[0] - b[0])[0];
      if (!next) break;
      line.append(text.slice(at, next[0]));
      line.append(Object.assign(document.createElement("mark"), { textContent: text.slice(next[0], next[0] + next[1]) }));
      at = next[0] + next[1];
    }
    line.append(text.slice(at));
    return line;
  }

  function option(part, index, words) {
    const item = document.createElement("li");
    item.id = `result-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.dataset.to = part.file + (part.place ? `#${encodeURIComponent(part.place)}` : "");
    const isTop = !part.heading || part.heading === part.title;
    item.append(marked(isTop ? part.title : `${part.title} › ${part.heading}`, words));
    const text = document.createElement("small");
    text.append(excerpt(part, words));
    item.append(text);
    item.addEventListener("mousedown", (event) => event.preventDefault());
    item.addEventListener("click", () => { location.href = item.dataset.to; });
    return item;
  }

  function search() {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    const parts = words.length ? found(words) : [];
    list.replaceChildren(...parts.map((part, index) => option(part, index, words)));
    if (words.length && !parts.length) {
      const none = Object.assign(document.createElement("li"), { className: "none", textContent: "Nothing found" });
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      list.append(none);
    }
    status.textContent = !words.length ? "" : parts.length === 1 ? "1 result" : `${parts.length || "No"} results`;
    open(words.length > 0);
    choose(parts.length ? 0 : -1);
  }

  function open(isOpen) {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) choose(-1);
  }

  function choose(index) {
    const items = list.querySelectorAll("[data-to]");
    chosen = items.length ? (index + items.length) % items.length : -1;
    if (index < 0 && !items.length) chosen = -1;
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === chosen && !list.hidden)));
    if (chosen >= 0 && !list.hidden) {
      input.setAttribute("aria-activedescendant", items[chosen].id);
      items[chosen].scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  input.addEventListener("focus", load);
  input.addEventListener("input", search);
  input.addEventListener("blur", () => open(false));
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const item = list.hidden ? null : list.querySelectorAll("[data-to]")[chosen];
    if (item) location.href = item.dataset.to;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      open(false);
    }
  });
  document.addEventListener("keydown", (event) => {
    const isWriting = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
})();
