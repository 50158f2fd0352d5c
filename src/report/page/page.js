// The report's page: the maps, the epoch cursor that every panel shares, the theme.
// All names reach the page as text; numbers come from the element #data.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const epochs = data.epochs;
  const count = epochs.length;
  const edges = data.edges;
  const units = data.units;
  const log = (epoch) => Math.log1p(epoch);
  const $ = (id) => document.getElementById(id);
  const make = (parent, tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };
  const draw = (parent, tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    parent.append(element);
    return element;
  };
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Numbers ------------------------------------------------------------------------------
  const epochText = (epoch) => String(Math.round(epoch * 100) / 100);
  const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
  const colours = Array.from({ length: 256 }, (_, k) => "#" + data.colours.slice(6 * k, 6 * k + 6));
  const colour = (value) => colours[Math.round(255 * Math.min(1, Math.max(0, value)))];

  // Row i, column j of an upper triangle stored row by row.
  const at = (i, j) => {
    const [a, b] = i <= j ? [i, j] : [j, i];
    return a * count - (a * (a - 1)) / 2 + (b - a);
  };
  const valueOf = (layer, i, j) => {
    const value = layer.values[at(i, j)];
    return value === null || value === undefined ? null : value / units;
  };
  const reasonOf = (layer, i, j) => {
    const [a, b] = i <= j ? [i, j] : [j, i];
    const found = layer.reasons.find((entry) => entry[0] === a && entry[1] === b);
    return found ? found[2] : "no reason recorded";
  };
  const describe = (set, layer, i, j) => {
    const value = valueOf(layer, i, j);
    const error = layer.errors.length && i !== j ? layer.errors[at(i, j)] : null;
    const head = value === null ? "undefined" : fixed(value, 4) + (error === null ? "" : " (se " + fixed(error / units, 4) + ")");
    const beyond = value !== null && (value < 0 || value > 1) ? " · outside 0–1, colour at the end of the scale" : "";
    const pair = "epoch " + epochText(epochs[i]) + " × epoch " + epochText(epochs[j]);
    const what = layer.name + " · " + set.measure + ", " + set.group;
    return { head, pair: pair + beyond, what: value === null ? what + " · " + reasonOf(layer, i, j) : what };
  };
  // The checkpoint whose cell holds u = ln(1 + epoch).
  const checkpointAt = (u) => {
    let index = 0;
    while (index + 1 < count && u >= edges[index + 1]) index += 1;
    return index;
  };

  // State: the cursor's epoch i, its partner j in maps (the same epoch unless a map is
  // pointed at), and where it returns to when the pointer leaves.
  let cursor = { i: 0, j: 0 };
  let pinned = cursor;
  const listeners = [];
  // The cursor shows from the first touch on; until then the figures are as in print.
  let started = false;
  const move = (i, j) => {
    cursor = { i, j };
    if (started) document.body.classList.add("live");
    for (const listener of listeners) listener();
  };
  const pin = (i, j) => {
    pinned = { i, j };
    move(i, j);
  };
  const release = () => {
    $("tip").hidden = true;
    move(pinned.i, pinned.j);
  };

  // Tooltip ------------------------------------------------------------------------------
  const tip = $("tip");
  const showTip = (event, text) => {
    tip.replaceChildren();
    make(tip, "b", "", text.head);
    for (const line of [text.pair, text.what]) if (line) make(tip, "div", "", line);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const x = event.clientX + 14 + box.width > innerWidth ? event.clientX - box.width - 14 : event.clientX + 14;
    const y = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
    tip.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
  };

  // History ------------------------------------------------------------------------------
  const rowAt = (epoch) => {
    const list = data.history.epoch;
    let row = -1;
    while (row + 1 < list.length && list[row + 1] <= epoch + 1e-9) row += 1;
    return row;
  };
  const errorsAt = (epoch) => {
    const row = rowAt(epoch);
    if (row < 0) return [];
    const history = data.history;
    const entries = [["test error", history.test[row]]];
    if (data.recomputed) entries.push(["running BN", history.running[row]]);
    if (history.corrupted[row] !== null) {
      entries.push(["train, clean", history.clean[row]], ["corrupted", history.corrupted[row]]);
    } else {
      entries.push(["train error", history.train[row]]);
    }
    return entries.filter((entry) => entry[1] !== null && entry[1] !== undefined);
  };

  // Drawings: a cursor line in every panel -----------------------------------------------
  const attach = (svg) => {
    const panels = [];
    for (const rect of svg.querySelectorAll("rect.panel")) {
      const number = (name) => Number(rect.getAttribute(name));
      const panel = {
        rect,
        left: number("x"),
        top: number("y"),
        width: number("width"),
        height: number("height"),
        end: Number(rect.dataset.end),
        layer: rect.dataset.layer,
      };
      const look = panel.layer === undefined ? "cursor-line" : "cursor-line level";
      panel.upright = draw(svg, "line", { class: look, y1: panel.top, y2: panel.top + panel.height });
      if (panel.layer !== undefined) {
        panel.level = draw(svg, "line", { class: look, x1: panel.left, x2: panel.left + panel.width });
      }
      const place = (event) => {
        const box = rect.getBoundingClientRect();
        const across = ((event.clientX - box.left) / box.width) * panel.end;
        const up = (1 - (event.clientY - box.top) / box.height) * panel.end;
        const i = checkpointAt(across);
        return { i, j: panel.layer === undefined ? i : checkpointAt(up) };
      };
      rect.addEventListener("pointermove", (event) => {
        const { i, j } = place(event);
        move(i, j);
        showTip(event, panel.layer === undefined ? errorTip(i) : headlineTip(panel.layer, i, j));
      });
      rect.addEventListener("pointerleave", release);
      rect.addEventListener("click", (event) => {
        const { i, j } = place(event);
        pin(i, j);
      });
      panels.push(panel);
    }
    listeners.push(() => {
      for (const panel of panels) {
        const x = panel.left + (panel.width * log(epochs[cursor.i])) / panel.end;
        panel.upright.setAttribute("x1", x);
        panel.upright.setAttribute("x2", x);
        if (panel.level) {
          const y = panel.top + panel.height * (1 - log(epochs[cursor.j]) / panel.end);
          panel.level.setAttribute("y1", y);
          panel.level.setAttribute("y2", y);
        }
      }
    });
  };
  const errorTip = (i) => ({
    head: "epoch " + epochText(epochs[i]),
    pair: errorsAt(epochs[i]).map((entry) => entry[0] + " " + fixed(entry[1], 3)).join(" · "),
  });
  const headlineTip = (name, i, j) => {
    const { cka, drs } = data.headline;
    const index = j >= i ? (cka ?? drs) : (drs ?? cka);
    const set = data.sets[index];
    const layer = set && set.layers.find((one) => one.name === name);
    return layer ? describe(set, layer, i, j) : errorTip(i);
  };

  // Maps on canvases ---------------------------------------------------------------------
  const MARGIN = { left: 30, right: 6, top: 6, bottom: 20 };
  const TICKS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
  // Powers of ten come first, then fives, then twos, as in the figures.
  const ticksFor = (length, gap) => {
    const kept = [];
    const rank = (tick) => (tick === 0 ? 0 : { 1: 1, 5: 2, 2: 3 }[String(tick)[0]]);
    for (const tick of [...TICKS].sort((a, b) => rank(a) - rank(b) || a - b)) {
      const place = (length * log(tick)) / data.end;
      if (log(tick) > data.end + 1e-9) continue;
      if (kept.every((other) => Math.abs(place - (length * log(other)) / data.end) >= gap)) kept.push(tick);
    }
    return kept;
  };
  let hatchTile = null;
  const hatch = (context, ratio) => {
    if (!hatchTile) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = 6 * ratio;
      const pen = tile.getContext("2d");
      pen.fillStyle = "#c3c7cd";
      pen.fillRect(0, 0, tile.width, tile.height);
      pen.strokeStyle = "#6a707b";
      pen.lineWidth = 1.2 * ratio;
      for (const shift of [-6, 0, 6]) {
        pen.beginPath();
        pen.moveTo((shift - 1) * ratio, 7 * ratio);
        pen.lineTo((shift + 7) * ratio, -1 * ratio);
        pen.stroke();
      }
      hatchTile = tile;
    }
    return context.createPattern(hatchTile, "repeat");
  };
  const paint = (map) => {
    const width = map.canvas.clientWidth;
    if (!width) return;
    const side = width - MARGIN.left - MARGIN.right;
    const height = side + MARGIN.top + MARGIN.bottom;
    const ratio = window.devicePixelRatio || 1;
    map.side = side;
    map.canvas.width = Math.round(width * ratio);
    map.canvas.height = Math.round(height * ratio);
    map.canvas.style.height = height + "px";
    const pen = map.canvas.getContext("2d");
    const x = (u) => MARGIN.left + (side * u) / data.end;
    const y = (u) => MARGIN.top + side * (1 - u / data.end);
    // Cells end on whole device pixels, so that no seam shows between them.
    const snap = (value) => Math.round(value * ratio);
    for (let i = 0; i < count; i += 1) {
      const [x0, x1] = [snap(x(edges[i])), snap(x(edges[i + 1]))];
      for (let j = 0; j < count; j += 1) {
        const value = valueOf(map.layer, i, j);
        pen.fillStyle = value === null ? hatch(pen, ratio) : colour(value);
        const [y0, y1] = [snap(y(edges[j + 1])), snap(y(edges[j]))];
        pen.fillRect(x0, y0, x1 - x0, y1 - y0);
      }
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const soft = token("--soft");
    const ink = token("--ink");
    if (data.fit !== null) {
      const [fx, fy] = [x(log(data.fit)), y(log(data.fit))];
      for (const [style, dash] of [["#ffffff", []], ["#16181d", [4, 3]]]) {
        pen.strokeStyle = style;
        pen.lineWidth = 1.2;
        pen.setLineDash(dash);
        pen.beginPath();
        pen.moveTo(fx, MARGIN.top);
        pen.lineTo(fx, MARGIN.top + side);
        pen.moveTo(MARGIN.left, fy);
        pen.lineTo(MARGIN.left + side, fy);
        pen.stroke();
      }
      pen.setLineDash([]);
    }
    pen.fillStyle = ink;
    for (const turn of data.turns) {
      if (turn === null) continue;
      const [tx, ty] = [x(log(turn)), y(log(turn))];
      pen.beginPath();
      pen.moveTo(tx, MARGIN.top - 1);
      pen.lineTo(tx - 2.4, MARGIN.top - 5.5);
      pen.lineTo(tx + 2.4, MARGIN.top - 5.5);
      pen.moveTo(MARGIN.left + side + 1, ty);
      pen.lineTo(MARGIN.left + side + 5.5, ty - 2.4);
      pen.lineTo(MARGIN.left + side + 5.5, ty + 2.4);
      pen.fill();
    }
    pen.strokeStyle = token("--frame");
    pen.lineWidth = 1;
    pen.strokeRect(MARGIN.left - 0.5, MARGIN.top - 0.5, side + 1, side + 1);
    pen.fillStyle = soft;
    pen.font = "10px " + getComputedStyle(document.body).fontFamily;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const tick of ticksFor(side, 20)) {
      pen.fillRect(x(log(tick)) - 0.5, MARGIN.top + side + 1, 1, 3);
      pen.fillText(String(tick), x(log(tick)), MARGIN.top + side + 6);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of ticksFor(side, 13)) {
      pen.fillRect(MARGIN.left - 4, y(log(tick)) - 0.5, 3, 1);
      pen.fillText(String(tick), MARGIN.left - 7, y(log(tick)));
    }
    mark(map);
  };
  const mark = (map) => {
    const side = map.side;
    if (!side) return;
    const x = MARGIN.left + (side * log(epochs[cursor.i])) / data.end;
    const y = MARGIN.top + side * (1 - log(epochs[cursor.j]) / data.end);
    map.upright.style.width = "1px";
    map.upright.style.height = side + "px";
    map.upright.style.transform = `translate(${x - 0.5}px, ${MARGIN.top}px)`;
    map.level.style.width = side + "px";
    map.level.style.height = "1px";
    map.level.style.transform = `translate(${MARGIN.left}px, ${y - 0.5}px)`;
  };

  const allMaps = [];
  const build = (section) => {
    const grid = section.querySelector(".grid");
    const maps = [];
    const show = (index) => {
      const set = data.sets[index];
      grid.replaceChildren();
      for (const old of maps) allMaps.splice(allMaps.indexOf(old), 1);
      maps.length = 0;
      for (const layer of set.layers) {
        const map = buildMap(grid, set, layer);
        maps.push(map);
        allMaps.push(map);
      }
      maps.forEach(paint);
      for (const caption of section.querySelectorAll(".caption")) {
        caption.hidden = caption.dataset.set !== String(index);
      }
      if (slices) slices.choose(section.dataset.maps, index);
    };
    for (const input of section.querySelectorAll("input")) {
      input.addEventListener("change", () => show(Number(input.value)));
    }
    const scale = make(section, "div", "scale");
    make(scale, "span", "", "0");
    const bar = make(scale, "canvas");
    bar.width = 256;
    bar.height = 1;
    const pen = bar.getContext("2d");
    colours.forEach((fill, k) => {
      pen.fillStyle = fill;
      pen.fillRect(k, 0, 1, 1);
    });
    make(scale, "span", "", "1");
    make(scale, "span", "", "similarity · both axes: epoch · dashed: perfect fit · ▾ minimum, peak, second minimum");
    grid.after(scale);
    show(Number(grid.dataset.first));
  };
  const buildMap = (grid, set, layer) => {
    const figure = make(grid, "div", "map");
    make(figure, "h4", "", layer.name);
    const stage = make(figure, "div", "stage");
    stage.tabIndex = 0;
    stage.setAttribute("role", "img");
    stage.setAttribute("aria-label", `${set.measure} of ${layer.name} with itself over the epochs, ${set.group}. Arrow keys move the epoch cursor.`);
    const map = { canvas: make(stage, "canvas"), upright: make(stage, "div", "mark"), level: make(stage, "div", "mark"), set, layer, stage };
    const place = (event) => {
      const box = stage.getBoundingClientRect();
      const side = map.side;
      const across = ((event.clientX - box.left - MARGIN.left) / side) * data.end;
      const up = (1 - (event.clientY - box.top - MARGIN.top) / side) * data.end;
      return [checkpointAt(across), checkpointAt(up)];
    };
    stage.addEventListener("pointermove", (event) => {
      const [i, j] = place(event);
      move(i, j);
      showTip(event, describe(set, layer, i, j));
    });
    stage.addEventListener("pointerleave", release);
    stage.addEventListener("click", (event) => pin(...place(event)));
    stage.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const keep = (index) => Math.min(count - 1, Math.max(0, index));
      pin(keep(cursor.i + step[0]), keep(cursor.j + step[1]));
      spoken = describe(set, layer, cursor.i, cursor.j);
      readout();
    });
    return map;
  };
  listeners.push(() => allMaps.forEach(mark));

  // Slices: one row of every map ---------------------------------------------------------
  const buildSlices = () => {
    const host = document.querySelector(".slices");
    if (!host || count < 3 || !data.sets.length) return null;
    const charts = {};
    const [W, H, L, R, T, B] = [420, 230, 30, 66, 8, 34];
    const x = (u) => L + ((W - L - R) * u) / data.end;
    const y = (v) => T + (H - T - B) * (1 - Math.min(1, Math.max(0, v)));
    const choose = (kind, index) => {
      $("slices").hidden = false;
      const set = data.sets[index];
      if (!charts[kind]) {
        const figure = make(host, "figure", "");
        charts[kind] = { title: make(figure, "h4", ""), svg: draw(figure, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img" }) };
      }
      const chart = charts[kind];
      chart.set = set;
      chart.title.textContent = `${set.measure}, ${set.group}`;
      chart.svg.replaceChildren();
      for (const value of [0, 0.5, 1]) {
        draw(chart.svg, "line", { class: "rule", x1: L, x2: W - R, y1: y(value), y2: y(value) });
        draw(chart.svg, "text", { x: L - 6, y: y(value) + 4, "text-anchor": "end" }).textContent = String(value);
      }
      for (const tick of ticksFor(W - L - R, 22)) {
        draw(chart.svg, "line", { class: "axis", x1: x(log(tick)), x2: x(log(tick)), y1: H - B, y2: H - B + 4 });
        draw(chart.svg, "text", { x: x(log(tick)), y: H - B + 15, "text-anchor": "middle" }).textContent = String(tick);
      }
      draw(chart.svg, "text", { x: L + (W - L - R) / 2, y: H - 4, "text-anchor": "middle" }).textContent = "epoch";
      draw(chart.svg, "line", { class: "axis", x1: L, x2: W - R, y1: H - B, y2: H - B });
      if (data.fit !== null) draw(chart.svg, "line", { class: "dashed", x1: x(log(data.fit)), x2: x(log(data.fit)), y1: T, y2: H - B });
      chart.line = draw(chart.svg, "line", { class: "cursor-line", y1: T, y2: H - B });
      const last = Math.max(1, set.layers.length - 1);
      chart.rows = set.layers.map((layer, k) => ({
        layer,
        path: draw(chart.svg, "path", { class: "row d" + Math.floor((k * 11 + last / 2) / last) }),
        label: draw(chart.svg, "text", { x: W - R + 5 }),
      }));
      update();
    };
    const update = () => {
      for (const chart of Object.values(charts)) {
        const u = x(log(epochs[cursor.i]));
        chart.line.setAttribute("x1", u);
        chart.line.setAttribute("x2", u);
        const ends = [];
        for (const row of chart.rows) {
          let path = "";
          let pen = false;
          let end = null;
          for (let k = 0; k < count; k += 1) {
            const value = valueOf(row.layer, cursor.i, k);
            if (value === null) {
              pen = false;
              continue;
            }
            path += (pen ? "L" : "M") + x(log(epochs[k])).toFixed(1) + " " + y(value).toFixed(1);
            pen = true;
            end = y(value);
          }
          row.path.setAttribute("d", path);
          row.label.textContent = "";
          if (end !== null) ends.push({ row, end });
        }
        // Names at the right end, kept 10 units apart; where they do not fit, none in between.
        ends.sort((a, b) => a.end - b.end);
        let free = T + 2;
        ends.forEach((entry, k) => {
          entry.at = Math.max(entry.end, free);
          free = entry.at + 10.5;
        });
        let limit = H - B + 2;
        for (const entry of ends.reverse()) {
          entry.at = Math.min(entry.at, limit);
          limit = entry.at - 10.5;
          entry.row.label.textContent = entry.row.layer.name.length > 11 ? entry.row.layer.name.slice(0, 10) + "…" : entry.row.layer.name;
          entry.row.label.setAttribute("y", entry.at + 4);
        }
      }
    };
    listeners.push(update);
    return { choose };
  };
  let slices = null;

  // The bar at the foot ------------------------------------------------------------------
  let spoken = null;
  const readout = () => {
    const output = $("readout");
    output.replaceChildren();
    make(output, "b", "", "epoch " + epochText(epochs[cursor.i]));
    if (spoken) {
      make(output, "span", "", spoken.pair + ": " + spoken.head);
      spoken = null;
      return;
    }
    for (const [name, value] of errorsAt(epochs[cursor.i])) make(output, "span", "", name + " " + fixed(value, 3));
  };
  const buildBar = () => {
    const slider = $("epoch");
    slider.max = String(count - 1);
    const go = (i) => {
      const index = Math.min(count - 1, Math.max(0, i));
      pin(index, index);
    };
    slider.addEventListener("input", () => go(Number(slider.value)));
    $("back").addEventListener("click", () => go(pinned.i - 1));
    $("forth").addEventListener("click", () => go(pinned.i + 1));
    listeners.push(() => {
      slider.value = String(cursor.i);
      slider.setAttribute("aria-valuetext", "epoch " + epochText(epochs[cursor.i]));
      readout();
    });
    $("cursor").hidden = false;
  };

  // Saving a drawing: as in report/figures, without the page's colours and cursor ---------
  const offerSaving = () => {
    for (const figure of document.querySelectorAll("figure")) {
      const drawings = [...figure.querySelectorAll(".drawing svg")];
      const host = figure.querySelector(".file");
      if (!drawings.length || !host) continue;
      const button = make(host, "button", "save", "save this figure");
      button.type = "button";
      button.addEventListener("click", () => {
        const visible = drawings.find((svg) => svg.getClientRects().length) || drawings[0];
        const copy = visible.cloneNode(true);
        copy.querySelectorAll(".cursor-line, .panel").forEach((one) => one.remove());
        const text = new XMLSerializer().serializeToString(copy);
        const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
        const link = document.createElement("a");
        link.href = url;
        link.download = (figure.closest("section").id || "figure") + ".svg";
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
      });
    }
  };

  // Theme: the system's, until chosen; #theme=dark or #theme=light in the address wins -----
  const buildTheme = () => {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const asked = /theme=(dark|light)/.exec(location.hash);
    let stored = null;
    try {
      stored = localStorage.getItem("stratagram-theme");
    } catch {
      // A page opened from disk may have no storage; the choice then lasts for the visit.
    }
    const button = $("theme");
    const current = () => root.dataset.theme || (system.matches ? "dark" : "light");
    const apply = (theme) => {
      if (theme) root.dataset.theme = theme;
      button.textContent = current() === "dark" ? "light" : "dark";
      button.setAttribute("aria-label", "switch to the " + button.textContent + " theme");
      allMaps.forEach(paint);
    };
    button.addEventListener("click", () => {
      const next = current() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("stratagram-theme", next);
      } catch {
        // As above.
      }
      apply(next);
    });
    system.addEventListener("change", () => apply());
    button.hidden = false;
    apply(asked ? asked[1] : stored === "dark" || stored === "light" ? stored : undefined);
  };

  // Start --------------------------------------------------------------------------------
  if (count > 0) {
    slices = buildSlices();
    document.querySelectorAll(".drawing svg").forEach(attach);
    document.querySelectorAll("[data-maps]").forEach(build);
    buildBar();
    const start = data.turns[1] ?? data.fit;
    const first = start === null ? count - 1 : checkpointAt(log(start));
    pin(first, first);
    started = true;
    let pending = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => {
        hatchTile = null;
        allMaps.forEach(paint);
      });
    }).observe(document.body);
  }
  offerSaving();
  buildTheme();
})();
