/*
 * Every field of every document against the types of Kubernetes.
 *
 *	node types.js NODE_MODULES < [{"where": ..., "document": {...}}, ...]
 *
 * Each document becomes a typed constant of a TypeScript program, so that an
 * unknown field or a wrong type is an error of the compiler; then the schemas
 * say what types cannot: enumerations, patterns, what is required.  Prints a
 * line for each fault.
 */
"use strict";

const path = require("path");
const fs = require("fs");
const modules = path.resolve(process.argv[2]);
const from = name => require(path.join(modules, name));
const ts = from("typescript");

const faults = [];
const fault = (where, text) => faults.push(where + ": " + text);

function place(document) {
	const [group, version] = document.apiVersion.includes("/") ?
	    document.apiVersion.split("/") : ["core", document.apiVersion];
	return { group, version, kind: document.kind };
}

const name = document => document.kind + " " + document.metadata.name;

/*
 * kubernetes-types: apps/v1, batch/v1, core/v1, networking/v1 ...; for what
 * Prometheus adds the interfaces of its models.
 */
function typeOf(document) {
	const { group, version, kind } = place(document);
	const own = path.join(modules, "kubernetes-types",
	    group.replace(/\.k8s\.io$/, ""), version);
	const other = path.join(modules,
	    "@kubernetes-models/prometheus-operator", group, version, kind);
	return fs.existsSync(own + ".d.ts") ? { file: own, type: kind } :
	    fs.existsSync(other + ".d.ts") ? { file: other, type: "I" + kind } :
	    null;
}

/* kubernetes-models names the folders by the whole group. */
function model(document) {
	const { group, version, kind } = place(document);
	const folder = group === "core" ? version : group + "/" + version;
	for (const parent of ["kubernetes-models",
	    "@kubernetes-models/prometheus-operator"]) {
		const file = path.join(modules, parent, folder, kind + ".js");
		if (fs.existsSync(file))
			return require(file)[kind];
	}
	return null;
}

function checkSchemas(entries) {
	for (const { where, document } of entries) {
		const Model = model(document);
		if (!Model) {
			fault(where, "no schema for " + document.apiVersion +
			    " " + document.kind);
			continue;
		}
		try {
			new Model(document).validate();
		} catch (error) {
			fault(where, name(document) + ": " + error.message);
		}
	}
}

function program(entries) {
	let text = "";
	const owners = [];
	entries.forEach(({ where, document }, i) => {
		const found = typeOf(document);
		if (!found)
			return;
		const head = `import type { ${found.type} as T${i} } from ` +
		    `${JSON.stringify(found.file)};\n` +
		    `export const v${i}: T${i} = `;
		const start = text.length;
		text += head + JSON.stringify(document, null, 1) + ";\n";
		owners.push({ start, end: text.length,
		    where: where + ": " + name(document) });
	});
	return { text, owners };
}

function checkTypes(entries) {
	const { text, owners } = program(entries);
	const options = { strict: true, noEmit: true, types: [],
	    target: ts.ScriptTarget.ES2020,
	    module: ts.ModuleKind.CommonJS,
	    moduleResolution: ts.ModuleResolutionKind.Node10 };
	const host = ts.createCompilerHost(options);
	const read = host.getSourceFile.bind(host);
	host.getSourceFile = (file, ...more) => file === "manifests.ts" ?
	    ts.createSourceFile(file, text, ts.ScriptTarget.ES2020, true) :
	    read(file, ...more);
	const found = ts.getPreEmitDiagnostics(ts.createProgram(
	    ["manifests.ts"], options, host));
	for (const one of found) {
		const owner = owners.find(o => one.file &&
		    one.file.fileName === "manifests.ts" &&
		    o.start <= one.start && one.start < o.end);
		fault(owner ? owner.where : "types",
		    ts.flattenDiagnosticMessageText(one.messageText, " "));
	}
}

const entries = JSON.parse(fs.readFileSync(0, "utf8"));
checkTypes(entries);
checkSchemas(entries);
for (const line of new Set(faults))
	console.log(line);
