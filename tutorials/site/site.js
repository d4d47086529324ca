"use strict";
(function () {
  const root = document.documentElement;
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // Dark or light: the system's choice, until the reader makes one.
  const theme = document.querySelector("button.theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch (error) { /* it is not remembered */ }
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // The menu and the contents, which are folded where there is no room beside the text.
  for (const button of all("nav > button")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
    });
    button.parentElement.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !button.offsetParent) return;
      button.setAttribute("aria-expanded", "false");
      button.focus();
    });
  }
  for (const link of all("nav.contents a")) {
    link.addEventListener("click", () => document.querySelector("nav.contents > button").setAttribute("aria-expanded", "false"));
  }
  const links = new Map(all("nav.contents a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
  const headings = all("main :is(h2, h3)[id]").filter((each) => links.has(each.id));
  function showPlace() {
    let here = null;
    for (const each of headings) if (each.getBoundingClientRect().top < 120) here = each;
    for (const [id, link] of links) {
      if (here && id === here.id) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  }
  let waits = false;
  addEventListener("scroll", () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; showPlace(); });
  }, { passive: true });
  showPlace();

  // A button on each block of code.
  const said = document.body.appendChild(document.createElement("p"));
  said.className = "hidden";
  said.setAttribute("role", "status");
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {  // an older browser, or no permission
      const box = document.body.appendChild(document.createElement("textarea"));
      box.value = text;
      box.select();
      const done = document.execCommand("copy");
      box.remove();
      if (!done) throw error;
    }
  }
  for (const block of all("main .highlight:not(dt):not(.api *), main pre:not(.highlight *) > code:only-child")) {
    const code = block.matches("pre, code") ? block : block.querySelector("pre");
    if (!code || block.closest("[class*='output']")) continue;
    const text = code.textContent;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    block.prepend(button);
    button.addEventListener("click", async () => {
      let words = "Copied";
      try { await copy(text.replace(/\n$/, "")); } catch (error) { words = "Not copied"; }
      button.textContent = words;
      button.focus();
      said.textContent = words === "Copied" ? "The code is copied." : "The code could not be copied.";
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2500);
    });
  }

  // What scrolls sideways can be reached and scrolled by the keyboard.
  function reach() {
    for (const box of all("main .wide, main .formula, main pre")) {
      if (box.scrollWidth > box.clientWidth + 1) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", box.matches(".formula") ? "Formula, scrolls sideways" : "Scrolls sideways");
      } else if (box.getAttribute("aria-label")) {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  }
  // A formula that is a little too wide becomes a little smaller.
  function fit() {
    for (const box of all("main .formula")) {
      box.style.fontSize = "";
      const share = box.clientWidth / box.scrollWidth;
      if (share < 1) box.style.fontSize = `${Math.max(0.72, Math.floor(98 * share) / 100)}em`;
    }
    reach();
  }
  addEventListener("resize", fit);
  fit();
  document.fonts.ready.then(fit);

  // Words of the glossary: shown while the pointer or the focus is on one, and after a tap.
  let timer = 0;
  function place(button, box) {
    const at = button.getBoundingClientRect();
    const left = Math.min(at.left, root.clientWidth - box.offsetWidth - 8);
    const below = at.bottom + 6 + box.offsetHeight <= innerHeight;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${Math.max(8, below ? at.bottom + 6 : at.top - 6 - box.offsetHeight)}px`;
  }
  for (const button of all("button.term")) {
    const box = document.getElementById(button.getAttribute("popovertarget"));
    if (!box || !box.showPopover) continue;
    const isShown = () => box.matches(":popover-open");
    const show = () => {
      clearTimeout(timer);
      if (!isShown()) box.showPopover({ source: button });
      place(button, box);
    };
    const hide = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const kept = box.matches(":hover") || button.matches(":hover") || box.contains(document.activeElement);
        if (isShown() && !kept && document.activeElement !== button) box.hidePopover();
      }, 250);
    };
    button.addEventListener("click", (event) => { event.preventDefault(); show(); });
    button.addEventListener("focus", show);
    button.addEventListener("blur", hide);
    button.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "mouse") return;
      clearTimeout(timer);
      timer = setTimeout(show, 120);
    });
    button.addEventListener("pointerleave", hide);
    box.addEventListener("pointerleave", hide);
    box.addEventListener("focusout", hide);
    addEventListener("scroll", () => { if (isShown()) place(button, box); }, { passive: true });
  }
})();
