// The API browser: a list of operations at the side, one of them, a service or the whole in the middle.
import { Description } from "./description.js";
import { el, kindOfStatus, prose } from "./element.js";
import { requestPanel } from "./request.js";
import { field, fields } from "./schema.js";
import { start as startSigningIn } from "./sign-in.js";

const main = document.getElementById("main");
const list = document.getElementById("operations");
const search = document.getElementById("search");

function method(operation) {
  return el("span", { class: `method ${operation.method}` }, operation.method);
}

function showList(description) {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (operation) => words.every((word) => operation.words.includes(word));
  const groups = description.groups
    .map((group) => [group, group.operations.filter(matches)])
    .filter(([, operations]) => operations.length);
  list.replaceChildren(...groups.map(([group, operations]) => el("section", {},
    el("h2", {}, el("a", { href: `#/${group.name}` }, group.name)),
    el("ul", {}, operations.map((operation) => el("li", {},
      el("a", { href: operation.hash, "aria-current": location.hash === operation.hash && "page", title: operation.path },
        method(operation), el("span", {}, operation.summary))))))));
  if (!groups.length) list.replaceChildren(el("p", { class: "quiet" }, "No operation has these words."));
}

function index(operations) {
  return el("ul", { class: "index" }, operations.map((operation) => el("li", {}, method(operation),
    el("span", {}, el("a", { href: operation.hash }, operation.summary), el("span", { class: "mono" }, operation.path)))));
}

function overview(description) {
  const { title, description: about } = description.document.info;
  return [el("h1", {}, title), ...prose(about ?? "", { class: "about" }),
    ...description.groups.flatMap((group) => [el("h2", {}, el("a", { href: `#/${group.name}` }, group.name)),
      el("p", { class: "quiet" }, group.about || `${group.operations.length} operations`)])];
}

function service(group) {
  return [el("h1", {}, group.name), ...prose(group.about, { class: "about" }), el("h2", {}, "Operations"), index(group.operations)];
}

function schemaOf(content) {
  return Object.entries(content ?? {}).map(([type, media]) => [type, media.schema ?? {}]);
}

function parameters(description, operation) {
  if (!operation.parameters.length) return [];
  return [el("h2", {}, "Parameters"), el("ul", { class: "fields" }, operation.parameters.map((one) =>
    field(description, one.name, one.schema, { required: one.required, about: one.description, place: one.in })))];
}

function requestBody(description, operation) {
  return schemaOf(operation.body?.content).flatMap(([type, schema]) =>
    [el("h2", {}, "Body ", el("span", { class: "quiet mono" }, type)), fields(description, schema)]);
}

function responses(description, operation) {
  return [el("h2", {}, "Answers"), ...operation.responses.map(([code, response]) =>
    el("details", { class: "answer", open: Number(code) < 300 },
      el("summary", {}, el("span", { class: `code ${kindOfStatus(Number(code))}` }, code), ` ${response.description ?? ""}`),
      schemaOf(response.content).map(([type, schema]) => [el("p", { class: "quiet mono" }, type), fields(description, schema)])))];
}

function facts(operation) {
  const who = operation.who && `May be called by: ${operation.who}.`;
  const rate = operation.rate && operation.rate !== "none" && `Counts as: ${operation.rate}.`;
  const also = operation.also.length && `The same at ${operation.also.join(", ")}.`;
  return [who, rate, also].filter(Boolean).join(" ");
}

function details(description, operation) {
  return [el("h1", {}, operation.summary),
    el("p", { class: "path" }, method(operation), el("span", { class: "mono" }, operation.path)),
    prose(operation.about, { class: "about" }),
    facts(operation) ? el("p", { class: "quiet" }, facts(operation)) : null,
    ...parameters(description, operation),
    ...requestBody(description, operation),
    el("h2", {}, "Try it"), requestPanel(description, operation),
    ...responses(description, operation)].flat().filter(Boolean);
}

function show(description) {
  const hash = decodeURI(location.hash);
  const operation = description.find(hash);
  const group = description.groups.find(({ name }) => hash === `#/${name}`);
  const view = operation ? details(description, operation) : group ? service(group) : overview(description);
  main.replaceChildren(...view);
  main.scrollTop = 0;
  document.title = `${main.querySelector("h1").textContent} · MoocFlix API`;
  showList(description);
}

async function start() {
  startSigningIn();
  try {
    const description = await Description.load("/openapi.json");
    document.getElementById("version").textContent = `${description.document.info.version} · OpenAPI ${description.document.openapi}`;
    search.addEventListener("input", () => showList(description));
    window.addEventListener("hashchange", () => {
      show(description);
      main.focus({ preventScroll: true });
    });
    show(description);
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
  } catch (fault) {
    main.replaceChildren(el("h1", {}, "The description cannot be read"), el("p", {}, fault.message));
  }
}

start();
