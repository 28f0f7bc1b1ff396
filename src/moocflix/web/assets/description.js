// Reads an OpenAPI 3.1 description into the operations that the browser shows, grouped by service.
const METHODS = ["get", "post", "put", "patch", "delete"];

export class Description {
  constructor(document) {
    this.document = document;
    this.operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) => this.#ofPath(path, item));
    this.#markAliases();
    this.groups = this.#grouped();
  }

  static async load(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address} answers ${answer.status}.`);
    return new Description(await answer.json());
  }

  // A `$ref` followed to what it names; anything else as it is.
  resolve(node) {
    let found = node;
    for (let step = 0; found?.$ref && step < 20; step += 1) {
      const parts = found.$ref.replace(/^#\//, "").split("/");
      found = parts.reduce((at, part) => at?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")], this.document);
    }
    return found ?? {};
  }

  // The operation that an address such as #/courses/get/api/v1/courses names.
  find(hash) {
    return this.operations.find((operation) => operation.hash === hash);
  }

  #ofPath(path, item) {
    const shared = item.parameters ?? [];
    return METHODS.filter((method) => item[method]).map((method) => {
      const given = item[method];
      const group = given.tags?.[0] ?? "platform";
      return {
        method,
        path,
        group,
        hash: `#/${group}/${method}${path}`,
        summary: given.summary ?? path,
        about: given.description ?? "",
        parameters: [...shared, ...(given.parameters ?? [])].map((parameter) => this.resolve(parameter)),
        body: given.requestBody ? this.resolve(given.requestBody) : null,
        responses: Object.entries(given.responses ?? {}).map(([code, response]) => [code, this.resolve(response)]),
        who: given["x-who"],
        rate: given["x-rate-class"],
        also: [],
        alias: false,
        words: `${method} ${path} ${given.summary ?? ""} ${given.description ?? ""}`.toLowerCase(),
      };
    });
  }

  // One handler on several paths is listed once, under the first family of paths.
  #markAliases() {
    const families = Map.groupBy(this.operations, (one) => `${one.group} ${one.method} ${one.summary} ${one.about}`);
    for (const family of families.values()) {
      const main = family.find(({ path }) => path.startsWith("/api/v1/")) ?? family[0];
      for (const operation of family) {
        operation.alias = operation !== main;
        operation.also = family.filter((one) => one !== operation).map((one) => one.path);
        if (operation.alias) main.words += ` ${operation.path}`;
      }
    }
  }

  // Groups in the order of the description's tags, then of their first operation.
  #grouped() {
    const about = new Map((this.document.tags ?? []).map((tag) => [tag.name, tag.description ?? ""]));
    const names = new Set([...about.keys(), ...this.operations.map((operation) => operation.group)]);
    return [...names]
      .map((name) => ({ name, about: about.get(name) ?? "", operations: this.operations.filter((o) => o.group === name && !o.alias) }))
      .filter((group) => group.operations.length);
  }
}
