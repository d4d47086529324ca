// Filters of the ledger's index. Their state is in the address: #verdict=fails,holds&topic=convergence
(() => {
  const form = document.querySelector(".ledger .filters");
  if (!form) return;
  const boxes = [...form.querySelectorAll("[name=verdict]")];
  const topic = form.querySelector("[name=topic]");
  const said = form.querySelector("output");
  const sections = [...document.querySelectorAll(".ledger .of-topic")];

  function show() {
    const verdicts = boxes.filter(box => box.checked).map(box => box.value);
    let shown = 0, all = 0;
    for (const section of sections) {
      const cards = [...section.querySelectorAll(".card")];
      const here = !topic.value || section.dataset.topic === topic.value;
      let seen = 0;
      for (const card of cards) {
        const fits = here && (!verdicts.length || verdicts.includes(card.dataset.verdict));
        card.hidden = !fits;
        seen += fits;
      }
      section.hidden = !seen;
      section.querySelector(".count").textContent = seen === cards.length ? `${seen}` : `${seen} of ${cards.length}`;
      shown += seen;
      all += cards.length;
    }
    said.textContent = shown === all ? `${all} claims` : `${shown} of ${all} claims`;
    return verdicts;
  }

  function write() {
    const verdicts = show(), parts = [];
    if (verdicts.length) parts.push(`verdict=${verdicts.join(",")}`);
    if (topic.value) parts.push(`topic=${topic.value}`);
    history.replaceState(null, "", parts.length ? `#${parts.join("&")}` : location.pathname + location.search);
  }

  function read() {
    const state = new URLSearchParams(location.hash.slice(1));
    const verdicts = (state.get("verdict") || "").split(",");
    for (const box of boxes) box.checked = verdicts.includes(box.value);
    const wanted = state.get("topic") || "";
    topic.value = [...topic.options].some(option => option.value === wanted) ? wanted : "";
    show();
  }

  form.addEventListener("change", write);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(write));
  addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
