// A wall of pictures and its viewer. Everything told by Python is set as text or as an attribute, never as markup;
// `words` are what both say by themselves, in the reader's language.

const LARGEST = 8;
const FLICKER_MS = 450;
const STEP = 8; // pixels
const LEAST_FITTED = 112; // pixels: smaller ones are not seen well enough to be held against each other
const SCROLLBAR = 16; // pixels, at the most

function make(kind, words = {}, ...inside) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(words)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "className") made.className = value;
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

// One zoom and one shift for all pictures, so that the same corner of each is looked at.
class Lens {
  constructor(element) { this.element = element; this.reset(); }
  reset() { this.zoom = 1; this.x = 0; this.y = 0; this.apply(); }
  apply() {
    const far = (50 * (this.zoom - 1));
    this.x = Math.max(-far, Math.min(far, this.x));
    this.y = Math.max(-far, Math.min(far, this.y));
    this.element.style.setProperty("--zoom", this.zoom);
    this.element.style.setProperty("--x", `${this.x}%`);
    this.element.style.setProperty("--y", `${this.y}%`);
  }
  by(factor) { this.zoom = Math.max(1, Math.min(LARGEST, this.zoom * factor)); this.apply(); }
  move(x, y) { this.x += x; this.y += y; this.apply(); }
}

class Wall {
  constructor(parent, component) {
    this.setTrigger = component.setTriggerValue;
    this.root = make("div");
    this.side = 150;
    this.flipped = false;
    parent.append(this.root);
    this.lens = new Lens(this.root);
    // Pictures are as large as all columns have room for, until somebody says how large.
    new ResizeObserver(() => this.fit()).observe(this.root);
    this.seen = new IntersectionObserver((entries) => entries.forEach((one) => this.sharpen(one)));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
  }

  show(told) {
    const text = JSON.stringify(told);
    if (text === this.text) return;
    this.text = text;
    this.told = told;
    this.draw();
  }

  draw() {
    this.seen.disconnect();
    this.images = [];
    this.renewViewer();
    const head = make("tr", {}, make("td"), ...this.told.columns.map((name) => make("th", { scope: "col" }, name)));
    const body = this.told.tiles.map((tiles, row) => make("tr", {},
      make("th", { scope: "row" }, this.told.rows[row]),
      ...tiles.map((tile, column) => make("td", {}, this.tile(tile, row, column)))));
    const table = make("table", { "aria-label": this.words.pictures }, make("thead", {}, head), make("tbody", {}, ...body));
    this.root.replaceChildren(this.bar(), make("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": this.words.wall }, table), this.viewer.dialog);
    this.size(this.side);
    this.fit();
    this.lens.reset();
    this.flip(this.flipped);
  }

  get words() { return this.told.words; }

  // Its buttons have words: in another language it is another one, which compares as the one before did.
  renewViewer() {
    const before = this.viewer;
    if (before) before.close();
    if (before && before.spoken === JSON.stringify(this.words)) return;
    this.viewer = new Viewer(this);
    if (before) Object.assign(this.viewer, { mode: before.mode, mark: before.mark });
  }

  bar() {
    const { words } = this;
    const size = make("input", { type: "range", min: 64, max: 384, step: STEP, value: this.side, oninput: (e) => { this.isSized = true; this.size(Number(e.target.value)); } });
    this.slider = size;
    const zoom = (name, label, action) => make("button", { type: "button", "aria-label": label, onclick: action }, name);
    this.flipButton = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.flip(!this.flipped) }, words.showBase);
    return make("div", { className: "bar" },
      make("label", {}, words.size, size),
      zoom("+", words.zoomIn, () => this.lens.by(1.5)), zoom("\u2212", words.zoomOut, () => this.lens.by(1 / 1.5)),
      this.flipButton,
      make("span", { className: "hint" }, words.hint));
  }

  tile(tile, row, column) {
    if (!tile) return make("span", { className: "none" }, this.words.notInGrid);
    if (!tile.small) return make("span", { className: "none" }, this.words.noPicture);
    const image = make("img", { alt: tile.told, loading: "lazy", decoding: "async", src: tile.small, draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(make("span", { className: "none" }, this.words.damaged)), { once: true });
    image.tile = tile;
    this.images.push(image);
    this.seen.observe(image);
    return make("button", { type: "button", className: "tile", "data-at": `${row},${column}`, onclick: () => this.viewer.open(row, column) },
      make("span", { className: "frame" }, image), make("span", { className: "score" }, tile.score));
  }

  size(side) { this.side = side; this.root.style.setProperty("--tile", `${side}px`); }

  // Where not even small ones fit, they are as large as was told, and one scrolls.
  fit() {
    const [scroll, columns] = [this.root.querySelector(".scroll"), this.told?.columns.length];
    if (this.isSized || !columns || !scroll?.clientWidth) return;
    const beside = scroll.querySelector("table").offsetWidth - columns * this.side;
    const room = (scroll.offsetWidth - SCROLLBAR - beside) / columns;
    const side = Math.min(this.told.side, STEP * Math.floor(room / STEP));
    this.size(side < LEAST_FITTED ? this.told.side : side);
    this.slider.value = this.side;
  }

  // Small copies are blurred when one looks closely: those in view are then shown whole.
  sharpen(entry) {
    entry.target.inView = entry.isIntersecting;
    this.setSource(entry.target);
  }

  setSource(image) {
    const { tile } = image;
    const close = image.inView && (this.lens.zoom > 1 || this.side > 256);
    const base = this.flipped && tile.baseSmall;
    const wanted = base ? (close ? tile.base : tile.baseSmall) : (close ? tile.whole : tile.small);
    if (image.getAttribute("src") !== wanted) image.setAttribute("src", wanted);
  }

  flip(flipped) {
    this.flipped = flipped;
    this.flipButton.setAttribute("aria-pressed", String(flipped));
    this.images.forEach((image) => this.setSource(image));
  }

  onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.lens.by(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    this.images.forEach((image) => this.setSource(image));
  }

  onKey(event) {
    if (this.viewer.isOpen || event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const from = event.target.dataset?.at;
    if (steps[event.key] && event.shiftKey) this.lens.move(-20 * steps[event.key][1], -20 * steps[event.key][0]);
    else if (steps[event.key] && from) this.walk(from.split(",").map(Number), steps[event.key]);
    else if (event.key === "b" || event.key === "B") this.flip(!this.flipped);
    else if (event.key === "+" || event.key === "-") { this.lens.by(event.key === "+" ? 1.5 : 1 / 1.5); this.images.forEach((image) => this.setSource(image)); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk([row, column], [down, right]) {
    const next = this.next(row, column, down, right);
    if (next) this.root.querySelector(`[data-at="${next[0]},${next[1]}"]`)?.focus();
  }

  // The next picture that way; fields without one are passed over.
  next(row, column, down, right) {
    for (let r = row + down, c = column + right; this.told.tiles[r]?.[c] !== undefined; r += down, c += right)
      if (this.told.tiles[r][c]?.small) return [r, c];
    return null;
  }
}

// One picture as large as there is room; beside another under a slider, or in turn with it.
class Viewer {
  constructor(wall) {
    this.wall = wall;
    const { words } = wall;
    this.spoken = JSON.stringify(words);
    this.words = make("p", { className: "words", "aria-live": "polite" });
    this.over = make("div", { className: "over" });
    this.under = make("div", { className: "under" });
    this.stage = make("div", { className: "stage single" }, this.under, this.over, make("div", { className: "rule" }));
    this.cut = make("input", { type: "range", className: "cut", min: 0, max: 100, value: 50, "aria-label": words.cut, oninput: () => this.slide() });
    this.dialog = make("dialog", { "aria-label": words.onePicture }, this.tools(), this.words, this.stage, this.cut);
    this.lens = new Lens(this.stage);
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
    this.dialog.addEventListener("close", () => this.closed());
    this.stage.addEventListener("wheel", (event) => { event.preventDefault(); this.lens.by(event.deltaY < 0 ? 1.2 : 1 / 1.2); }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.stage.setPointerCapture(event.pointerId));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.mode = "single";
    this.mark = null;
  }

  get isOpen() { return this.dialog.open; }

  tools() {
    const { words } = this.wall;
    const tool = (name, action, pressed) => make("button", { type: "button", onclick: action, ...(pressed ? { "aria-pressed": "false" } : {}) }, name);
    this.sliderButton = tool(words.slider, () => this.setMode(this.mode === "slider" ? "single" : "slider"), true);
    this.flickerButton = tool(words.flicker, () => this.setMode(this.mode === "flicker" ? "single" : "flicker"), true);
    this.differenceButton = tool(words.difference, () => this.setMode(this.mode === "difference" ? "single" : "difference"), true);
    this.markButton = tool(words.mark, () => this.setMark());
    this.chooseButton = tool(words.choose, () => this.choose());
    return make("div", { className: "tools" }, tool(words.close, () => this.close()),
      tool("\u2190", () => this.step(0, -1)), tool("\u2192", () => this.step(0, 1)), tool("\u2191", () => this.step(-1, 0)), tool("\u2193", () => this.step(1, 0)),
      this.sliderButton, this.flickerButton, this.differenceButton, this.markButton, this.chooseButton);
  }

  open(row, column) {
    if (!this.isOpen) this.dialog.showModal();
    this.at = [row, column];
    this.show();
  }

  close() { if (this.isOpen) this.dialog.close(); }

  closed() {
    clearInterval(this.timer);
    if (this.at) this.wall.root.querySelector(`[data-at="${this.at[0]},${this.at[1]}"]`)?.focus();
  }

  get tile() { return this.wall.told.tiles[this.at[0]][this.at[1]]; }

  // What it is held against: the marked picture, the rival beside it, or the base model's of the same prompt and seed.
  get other() {
    const { mark, tile } = this;
    const [row, column] = this.at;
    const rival = this.wall.told.against ? this.wall.told.tiles[row][column ? 0 : 1] : null;
    const held = mark && mark !== tile ? mark : rival;
    if (held && held.whole) return { address: held.whole, told: held.told };
    return tile.base && tile.base !== tile.whole ? { address: tile.base, told: this.wall.words.baseTold } : null;
  }

  show() {
    const { tile, other } = this;
    const picture = (address, alt) => make("img", { src: address, alt, draggable: "false" });
    this.over.replaceChildren(picture(tile.whole, tile.told));
    this.under.replaceChildren(...(other ? [picture(other.address, other.told)] : []));
    this.words.textContent = other && this.mode !== "single" ? `${tile.told}  \u2014  ${this.wall.words.against} ${other.told}` : tile.told;
    this.chooseButton.disabled = !tile.chosen;
    this.setMode(this.mode);
  }

  setMode(mode) {
    this.mode = mode;
    clearInterval(this.timer);
    const compared = mode !== "single" && this.other;
    this.stage.classList.toggle("single", !compared || mode === "flicker");
    this.stage.classList.toggle("difference", Boolean(compared) && mode === "difference");
    this.over.style.visibility = "";
    this.cut.style.display = compared && mode === "slider" ? "" : "none";
    this.sliderButton.setAttribute("aria-pressed", String(mode === "slider"));
    this.flickerButton.setAttribute("aria-pressed", String(mode === "flicker"));
    this.differenceButton.setAttribute("aria-pressed", String(mode === "difference"));
    if (compared && mode === "flicker") {
      this.under.style.display = "block";
      this.timer = setInterval(() => { this.over.style.visibility = this.over.style.visibility ? "" : "hidden"; }, FLICKER_MS);
    } else this.under.style.display = "";
    this.words.textContent = compared ? `${this.tile.told}  \u2014  ${this.wall.words.against} ${this.other.told}` : this.tile.told;
    this.slide();
  }

  slide() { this.stage.style.setProperty("--cut", `${this.cut.value}%`); }

  setMark() { this.mark = this.tile; this.show(); }

  choose() {
    this.wall.setTrigger("chosen", { row: this.at[0], column: this.at[1] });
    this.close();
  }

  step(down, right) {
    const next = this.wall.next(...this.at, down, right);
    if (next) this.open(...next);
  }

  drag(event) {
    if (!event.buttons) return;
    const box = this.stage.getBoundingClientRect();
    if (this.mode === "slider" && this.lens.zoom === 1) {
      this.cut.value = 100 * (event.clientX - box.left) / box.width;
      this.slide();
    } else this.lens.move(100 * event.movementX / box.width, 100 * event.movementY / box.height);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target === this.cut && event.key.startsWith("Arrow"))) return;
    const actions = {
      ArrowLeft: () => this.step(0, -1), ArrowRight: () => this.step(0, 1), ArrowUp: () => this.step(-1, 0), ArrowDown: () => this.step(1, 0),
      s: () => this.setMode(this.mode === "slider" ? "single" : "slider"), f: () => this.setMode(this.mode === "flicker" ? "single" : "flicker"),
      d: () => this.setMode(this.mode === "difference" ? "single" : "difference"),
      m: () => this.setMark(), "+": () => this.lens.by(1.5), "-": () => this.lens.by(1 / 1.5), 0: () => this.lens.reset(),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

const walls = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  if (!walls.has(parentElement)) walls.set(parentElement, new Wall(parentElement, component));
  const wall = walls.get(parentElement);
  wall.setTrigger = component.setTriggerValue;
  wall.show(data[0]);
  return () => clearInterval(wall.viewer.timer);
}
