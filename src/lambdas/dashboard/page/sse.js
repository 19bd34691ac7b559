// Server-Sent Events as the HTML standard parses them, from text in pieces of any size.

export class Parser {
  #rest = "";
  #first = true;
  #data = [];
  #event = "";
  #id;
  #emit;
  #retry;
  #position;

  // emit({event, data}), position(id): where to go on after it, also without an event; retry(milliseconds).
  constructor({ emit, position = () => {}, retry = () => {} }) {
    this.#position = position;
    this.#emit = emit;
    this.#retry = retry;
  }

  feed(text) {
    this.#rest += text;
    if (this.#first && this.#rest) {
      this.#rest = this.#rest.replace(/^\uFEFF/, "");
      this.#first = false;
    }
    let start = 0;
    // A line ends in CR, LF or both: after a CR at the very end, the LF may be still to come.
    for (const end of this.#rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
      this.#line(this.#rest.slice(start, end.index));
      start = end.index + end[0].length;
    }
    this.#rest = this.#rest.slice(start);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#retry(Number(value));
  }

  #dispatch() {
    const said = { event: this.#event || "message", data: this.#data.join("\n") };
    const any = this.#data.length > 0;
    this.#data = [];
    this.#event = "";
    if (any) this.#emit(said);
    // Last, so that what could not be handled comes again.
    if (this.#id !== undefined) this.#position(this.#id);
  }
}
