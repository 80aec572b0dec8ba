"use strict";
(() => {
  // Everything that comes from file names goes through textContent or setAttribute on plain attributes, never markup.
  const CHUNK = 24;
  const MIN_MARK = 0.05; // shortest side of a marker, as a share of the picture's longer side: a tiny box must be seen
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const state = { shown: [], drawn: 0, open: -1, picked: 0 };

  function element(name, options = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(options)) {
      if (key === "class") node.className = value;
      else if (key === "text") node.textContent = value;
      else node.setAttribute(key, value);
    }
    node.append(...children.filter(Boolean));
    return node;
  }

  function drawing(name, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  const two = (value) => value.toFixed(2);
  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const best = (item) => item.findings[0] || null;
  const isCalibrated = data.items.some((item) => item.findings.some((finding) => finding.amogusness !== null));
  const known = (finding) => (isCalibrated ? finding.amogusness : finding.confidence);
  const strength = (item) => (best(item) ? known(best(item)) ?? 0 : 0);
  const scoreName = isCalibrated ? "Amogusness" : "Confidence";
  const other = (data.items.find((item) => item.by !== "amogusness" && item.by !== "confidence") || {}).by;

  function share(item) {
    if (!best(item)) return 2;
    const [x1, y1, x2, y2] = best(item).box;
    return ((x2 - x1) * (y2 - y1)) / (item.width * item.height);
  }

  function level(score) {
    if (score === null) return ["level-none", "Not calibrated"];
    if (score >= 0.9) return ["level-high", "Very sus"];
    if (score >= 0.5) return ["level-mid", "Sus"];
    if (score >= 0.2) return ["level-low", "A little sus"];
    return ["level-none", "Probably innocent"];
  }

  function whereabouts(item, box) {
    const across = (box[0] + box[2]) / 2 / item.width;
    const down = (box[1] + box[3]) / 2 / item.height;
    const row = down < 1 / 3 ? "top" : down > 2 / 3 ? "bottom" : "";
    const column = across < 1 / 3 ? "left" : across > 2 / 3 ? "right" : "";
    return `${row} ${column}`.trim() || "middle";
  }

  function describe(item) {
    if (!best(item)) return `${item.name}: no finding`;
    const size = best(item).box;
    const wide = Math.round(size[2] - size[0]);
    const high = Math.round(size[3] - size[1]);
    return `${item.name}: a finding of ${wide} by ${high} pixels, ${whereabouts(item, size)}`;
  }

  function picture(place, options) {
    const node = element("img", { draggable: "false", ...options });
    node.src = data.pictures[place];
    return node;
  }

  function closeUp(finding, alt) {
    const node = picture(finding.crop, { alt });
    const pixelate = () => node.classList.toggle("is-pixelated", Math.max(node.naturalWidth, node.naturalHeight) <= 96);
    if (node.complete) pixelate();
    node.addEventListener("load", pixelate);
    return node;
  }

  // Four corner brackets about a box; a box too small to see gets brackets at a distance.
  function bracket(item, finding, className) {
    const least = MIN_MARK * Math.max(item.width, item.height);
    const [x1, y1, x2, y2] = finding.box;
    const halfWide = Math.max(x2 - x1, least) / 2;
    const halfHigh = Math.max(y2 - y1, least) / 2;
    const arm = Math.min(halfWide, halfHigh) * 0.55;
    const [left, right] = [(x1 + x2) / 2 - halfWide, (x1 + x2) / 2 + halfWide];
    const [top, bottom] = [(y1 + y2) / 2 - halfHigh, (y1 + y2) / 2 + halfHigh];
    const path = [
      `M${left} ${top + arm}V${top}H${left + arm}`,
      `M${right - arm} ${top}H${right}V${top + arm}`,
      `M${right} ${bottom - arm}V${bottom}H${right - arm}`,
      `M${left + arm} ${bottom}H${left}V${bottom - arm}`,
    ].join("");
    return drawing("g", { class: className },
      drawing("path", { class: "mark-under", d: path }), drawing("path", { class: "mark-over", d: path }));
  }

  function marks(item, picked) {
    const view = { class: "stage-marks", viewBox: `0 0 ${item.width} ${item.height}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" };
    const place = (index) => (index === picked ? "mark-picked" : index === 0 ? "mark-hit" : "mark-other");
    // Later ones lie on top, so the finding that matters is drawn last.
    const order = item.findings.map((_, index) => index).sort((a, b) => (a === picked) - (b === picked) || b - a);
    return drawing("svg", view, ...order.map((index) => bracket(item, item.findings[index], place(index))));
  }

  function stage(item, picked) {
    const node = element("span", { class: "stage" });
    if (item.overview === null) {
      node.append(element("span", { class: "stage-lost", text: `No picture: ${item.problem}` }));
      return node;
    }
    const isTiny = Math.max(item.width, item.height) <= 160 ? " is-pixelated" : "";
    node.append(picture(item.overview, { class: "stage-wash", alt: "" }));
    node.append(picture(item.overview, { class: `stage-picture${isTiny}`, alt: describe(item) }));
    node.append(marks(item, picked));
    return node;
  }

  function corner(item) {
    const [x1, y1, x2, y2] = best(item).box;
    return [(y1 + y2) / 2 < item.height / 2 ? "bottom" : "top", (x1 + x2) / 2 < item.width / 2 ? "right" : "left"];
  }

  function gauge(score, className) {
    const length = 2 * Math.PI * 23;
    const filled = drawing("circle", {
      class: "gauge-fill", cx: 27, cy: 27, r: 23, transform: "rotate(-90 27 27)",
      "stroke-dasharray": `${Math.max(0.001, score ?? 0) * length} ${length}`,
    });
    const label = drawing("text", { x: 27, y: 32 });
    label.textContent = score === null ? "–" : two(score);
    const ring = drawing("circle", { class: "gauge-track", cx: 27, cy: 27, r: 23 });
    return drawing("svg", { class: `gauge ${className}`, viewBox: "0 0 54 54", role: "img", "aria-label": `${scoreName} ${label.textContent}` }, ring, filled, label);
  }

  function verdict(item, finding) {
    const score = finding ? known(finding) : 0;
    const [className, words] = finding ? level(isCalibrated ? score : null) : ["level-none", "No finding"];
    const rarity = element("p", { class: "verdict-rarity" });
    if (finding && finding.words) rarity.append(element("b", { text: finding.words }), " ordinary photos");
    else if (finding) rarity.append(`confidence ${finding.confidence === null ? "unknown" : two(finding.confidence)}`);
    else rarity.append("nothing that looks like one");
    const isAsked = item.by === other && item.score !== null;
    const asked = isAsked ? element("p", { class: "verdict-rarity", text: `${other} ${two(item.score)}` }) : null;
    return element("div", { class: "verdict" }, gauge(score, className),
      element("div", { class: "verdict-words" }, element("p", { class: "verdict-name", text: words }), rarity, asked));
  }

  function evidence(finding) {
    const list = element("dl", { class: "evidence" });
    for (const [name, value] of finding.evidence) {
      const fill = element("span", { class: "fill" });
      fill.style.width = `${Math.round(value * 100)}%`;
      const title = element("dt", {}, element("span", { text: name }), element("span", { class: "value", text: two(value) }));
      const bar = element("dd", { role: "img", "aria-label": `${name} ${two(value)}` }, fill);
      list.append(element("div", { class: value >= 0.5 ? "is-strong" : "is-weak", title: `${name} ${two(value)}` }, title, bar));
    }
    return list;
  }

  function card(item, place) {
    const view = element("span", { class: "card-view" }, stage(item, -1));
    const [down, across] = best(item) ? corner(item) : ["bottom", "right"];
    // The rank keeps clear of the finding and of the lens, which lies opposite to it.
    const rankSide = best(item) && (down === "top") === (across === "left") ? " rank-right" : "";
    if (best(item) && best(item).crop !== null && share(item) < 0.06) {
      view.append(element("span", { class: `lens lens-${down} lens-${across}` }, closeUp(best(item), "")));
    }
    if (!best(item) && item.overview !== null) {
      view.append(element("span", { class: "stage-note", text: "No finding" }));
    }
    const open = element("button", { class: "card-open", type: "button", "aria-label": `Inspect rank ${item.rank}, ${describe(item)}` }, view);
    open.addEventListener("click", () => inspect(place));
    const more = item.findings.length > 1 ? ` · ${item.findings.length} findings` : "";
    const text = element("div", { class: "card-text" }, verdict(item, best(item)),
      best(item) && best(item).evidence.length ? evidence(best(item)) : null,
      element("div", { class: "filing" },
        element("p", { class: "file-name", text: item.name, title: item.name }),
        element("p", { class: "path", text: `${item.width} × ${item.height}${more} · ${item.folder}`, title: item.folder })));
    return element("li", { class: "card" }, open, element("span", { class: `rank${rankSide}`, text: `#${item.rank}`, "aria-hidden": "true" }), text);
  }

  function drawMore() {
    const until = Math.min(state.shown.length, state.drawn + CHUNK);
    const cards = document.createDocumentFragment();
    for (let place = state.drawn; place < until; place += 1) cards.append(card(state.shown[place], place));
    byId("grid").append(cards);
    state.drawn = until;
    byId("more").hidden = until >= state.shown.length;
  }

  const SORTS = {
    rank: ["Rank", (a, b) => a.rank - b.rank],
    score: [scoreName, (a, b) => strength(b) - strength(a) || a.rank - b.rank],
    tiny: ["Hardest to spot", (a, b) => share(a) - share(b) || a.rank - b.rank],
    count: ["Most findings", (a, b) => b.findings.length - a.findings.length || a.rank - b.rank],
    asked: [other === "similarity" ? "Similarity" : "Score", (a, b) => (b.score ?? -2) - (a.score ?? -2) || a.rank - b.rank],
    name: ["File name", (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.rank - b.rank],
  };

  function refresh() {
    const words = byId("search").value.trim().toLowerCase();
    const least = Number(byId("least").value);
    byId("least-value").textContent = two(least);
    state.shown = data.items
      .filter((item) => strength(item) >= least && (!words || `${item.folder}${item.name}`.toLowerCase().includes(words)))
      .sort(SORTS[byId("sort").value][1]);
    state.drawn = 0;
    byId("grid").replaceChildren();
    drawMore();
    const all = data.items.length;
    byId("count").textContent = state.shown.length === all ? plural(all, "result", "results") : `${state.shown.length} of ${plural(all, "result", "results")}`;
    byId("empty").hidden = state.shown.length > 0;
    byId("empty").textContent = all ? "Nobody here. Lower the threshold or search for another name." : "No results: the ship is empty.";
    [...byId("histogram").children].forEach((bar, index) => bar.classList.toggle("is-in", (index + 1) / 20 > least));
  }

  function drawHistogram() {
    const counts = new Array(20).fill(0);
    for (const item of data.items) counts[Math.min(19, Math.floor(strength(item) * 20))] += 1;
    const most = Math.max(1, ...counts);
    byId("histogram").append(...counts.map((count, index) => {
      const height = count ? Math.max(1.5, (count / most) * 20) : 0;
      return drawing("rect", { x: index * 5 + 0.6, y: 20 - height, width: 3.8, height });
    }));
  }

  function drawStats() {
    const rarest = data.items.flatMap((item) => item.findings).reduce((top, one) => (one.rarity !== null && (!top || one.rarity > top.rarity) ? one : top), null);
    // Several hits may be findings of one picture, each with all of its boxes: count both once.
    const boxes = new Set(data.items.flatMap((item) => item.findings.map((one) => `${item.folder}\n${item.name}\n${one.box}`)));
    const photos = new Set(data.items.map((item) => `${item.folder}\n${item.name}`));
    const stats = [["pictures", photos.size.toLocaleString("en")], ["findings", boxes.size.toLocaleString("en")]];
    if (rarest && rarest.words) stats.push(["rarest", rarest.words]);
    byId("stats").append(...stats.map(([name, value]) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }))));
  }

  // The large view.
  function inspect(place) {
    state.open = place;
    state.picked = 0;
    const item = state.shown[place];
    byId("inspect-rank").textContent = `#${item.rank}`;
    byId("inspect-name").textContent = item.name;
    byId("inspect-path").textContent = item.folder + item.name;
    byId("inspect-open").hidden = !item.href;
    if (item.href) byId("inspect-open").href = item.href;
    byId("inspect-previous").disabled = place === 0;
    byId("inspect-next").disabled = place === state.shown.length - 1;
    drawInspect();
    if (!byId("inspect").open) byId("inspect").showModal();
    setAddress(`#${item.rank}`);
  }

  // The address names the picture that is open, so that it can be linked to: index.html#3.
  function setAddress(hash) {
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch {
      // Some browsers forbid this for pages from disk; the page works without.
    }
  }

  function openAddressed() {
    const place = state.shown.findIndex((item) => `#${item.rank}` === location.hash);
    if (place < 0) return;
    while (place >= state.drawn) drawMore();
    inspect(place);
  }

  function drawInspect() {
    const item = state.shown[state.open];
    byId("inspect-stage").replaceChildren(stage(item, item.findings.length > 1 ? state.picked : -1));
    const finding = item.findings[state.picked] || null;
    const side = byId("inspect-side");
    side.replaceChildren();
    if (finding && finding.crop !== null) {
      side.append(element("div", { class: "close-up" }, closeUp(finding, `Enlarged: ${describe(item)}`)));
    }
    side.append(verdict(item, finding));
    if (!finding) return;
    if (finding.evidence.length) side.append(evidence(finding));
    side.append(facts(item, finding));
    if (item.findings.length > 1) side.append(strip(item));
  }

  function facts(item, finding) {
    const [x1, y1, x2, y2] = finding.box.map(Math.round);
    const lines = [
      ["Confidence", finding.confidence === null ? "unknown" : two(finding.confidence)],
      ["Size", `${x2 - x1} × ${y2 - y1} px`],
      ["Place", `x ${x1}, y ${y1}`],
      ["Picture", `${item.width} × ${item.height} px`],
      ["Covers", percent(((x2 - x1) * (y2 - y1)) / (item.width * item.height))],
    ];
    return element("dl", { class: "facts" }, ...lines.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]));
  }

  const percent = (part) => (part < 0.001 ? "under 0.1 %" : `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`);

  function strip(item) {
    const list = element("div", { class: "strip" });
    item.findings.forEach((finding, index) => {
      const score = known(finding);
      const label = score === null ? "–" : two(score);
      const pick = element("button", { type: "button", "aria-pressed": String(index === state.picked), "aria-label": `Finding ${index + 1}, ${scoreName} ${label}` });
      if (finding.crop !== null) pick.append(closeUp(finding, ""));
      pick.append(element("span", { text: label }));
      pick.addEventListener("click", () => pickFinding(index));
      list.append(pick);
    });
    return element("section", {}, element("p", { class: "strip-name", text: `${item.findings.length} findings in this picture` }), list);
  }

  function pickFinding(index) {
    state.picked = index;
    drawInspect();
    const picked = byId("inspect-side").querySelector('[aria-pressed="true"]');
    if (picked) picked.focus();
  }

  function turn(by) {
    const place = state.open + by;
    if (place < 0 || place >= state.shown.length) return;
    while (place >= state.drawn) drawMore();
    inspect(place);
  }

  async function copyPath() {
    const item = state.shown[state.open];
    const button = byId("inspect-copy");
    try {
      await navigator.clipboard.writeText(item.folder + item.name);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(byId("inspect-path"));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy path"; }, 1600);
  }

  // Keyboard: arrows move over the cards as they lie on the screen.
  function moveFocus(key) {
    const cards = [...byId("grid").querySelectorAll(".card-open")];
    const here = cards.indexOf(document.activeElement);
    if (!cards.length) return false;
    if (here < 0) return false;
    const top = (one) => Math.round(one.getBoundingClientRect().top);
    const columns = Math.max(1, cards.filter((one) => top(one) === top(cards[0])).length);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -here, End: cards.length - 1 - here };
    if (!(key in steps)) return false;
    if (here + steps[key] >= cards.length && state.drawn < state.shown.length) {
      drawMore();
      return moveFocus(key);
    }
    const next = cards[Math.max(0, Math.min(cards.length - 1, here + steps[key]))];
    next.focus();
    next.closest(".card").scrollIntoView({ block: "nearest" });
    return true;
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches("input:not([type=checkbox]), select, textarea");
    const isOpen = byId("inspect").open;
    if (isOpen && event.key === "ArrowLeft") turn(-1);
    else if (isOpen && event.key === "ArrowRight") turn(1);
    else if (isTyping) return;
    else if (event.key === "/" && !isOpen) byId("search").focus();
    else if (event.key === "b" || event.key === "B") byId("marks").click();
    else if (isOpen || !moveFocus(event.key)) return;
    event.preventDefault();
  }

  function start() {
    byId("sort").append(...Object.entries(SORTS).filter(([key]) => key !== "asked" || other).map(([value, [text]]) => element("option", { value, text })));
    byId("least-name").textContent = scoreName;
    drawHistogram();
    drawStats();
    for (const id of ["search", "least", "sort"]) byId(id).addEventListener("input", refresh);
    byId("console").addEventListener("submit", (event) => event.preventDefault());
    byId("marks").addEventListener("change", (event) => document.body.classList.toggle("no-marks", !event.target.checked));
    byId("more").addEventListener("click", drawMore);
    byId("inspect-previous").addEventListener("click", () => turn(-1));
    byId("inspect-next").addEventListener("click", () => turn(1));
    byId("inspect-close").addEventListener("click", () => byId("inspect").close());
    byId("inspect-copy").addEventListener("click", copyPath);
    byId("inspect").addEventListener("click", (event) => { if (event.target === byId("inspect")) byId("inspect").close(); });
    byId("inspect").addEventListener("close", () => {
      setAddress("");
      const cards = byId("grid").querySelectorAll(".card-open");
      if (cards[state.open]) cards[state.open].focus();
    });
    document.addEventListener("keydown", onKey);
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && state.drawn < state.shown.length) drawMore();
    }, { rootMargin: "900px" }).observe(document.querySelector(".more-row"));
    refresh();
    openAddressed();
    addEventListener("hashchange", openAddressed);
  }

  start();
})();
