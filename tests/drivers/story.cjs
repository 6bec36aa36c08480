/* What the stories on Node.js share. */
'use strict';

const url = process.env.DATABASE_URL;
const clients = Number(process.env.STORY_CLIENTS);

function tell(subject, ...what) {
	console.log(subject + ':', ...what.map(
	    (w) => typeof w === 'string' ? w : JSON.stringify(w)));
}

/* The SQLSTATE, however deep a library has wrapped it. */
async function errorOf(promise) {
	try {
		await promise;
	} catch (error) {
		for (let e = error; e; e = e.cause ?? e.original ?? e.driverError)
			if (/^[0-9A-Z]{5}$/.test(e.code))
				return e.code;
		return error.message;
	}
	return 'no error';
}

/* As many at once as there are clients; what each of them saw. */
async function crowd(subject, body) {
	const seen = await Promise.all(Array.from({ length: clients },
	    (_, number) => body(number + 1)));
	for (const [number, lines] of seen.entries())
		tell(`${subject} ${number + 1}`, lines);
}

async function story(...chapters) {
	try {
		for (const chapter of chapters)
			await chapter();
	} catch (error) {
		console.error(error);
		process.exit(1);
	}
}

module.exports = { url, clients, tell, errorOf, crowd, story };
