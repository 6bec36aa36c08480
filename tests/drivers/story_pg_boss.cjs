/*
 * The story of pg-boss: several processes install its schema at once and then
 * work off one queue; transactions of the application's own put jobs in.
 */
'use strict';

const PgBoss = require('pg-boss');
const { Pool } = require('pg');
const { url, clients, tell, errorOf, story } = require('./story.cjs');

const bosses = [];
let pool, isClosing = false;

async function open() {
	const made = [0, 1, 2].map(() => new PgBoss({ connectionString: url,
	    max: clients, superviseIntervalSeconds: 1 }));
	for (const boss of made)
		boss.on('error', (error) => isClosing ||
		    tell('error', error.message));
	bosses.push(...await Promise.all(made.map((boss) => boss.start())));
	pool = new Pool({ connectionString: url, max: clients });
	tell('open', await bosses[0].schemaVersion() > 0,
	    await bosses[1].isInstalled());
}

async function queues() {
	const [one, two] = bosses;
	await one.createQueue('dead');
	await one.createQueue('mail', { policy: 'standard', retryLimit: 1,
	    retryDelay: 0, deadLetter: 'dead' });
	await two.createQueue('once', { policy: 'singleton' });
	await one.createQueue('part', { partition: true });
	tell('queues', (await two.getQueues()).map((q) => q.name).sort());
}

/* Every job is done exactly once, whoever takes it. */
async function jobs() {
	const done = [];
	let end;
	const ended = new Promise((resolve) => { end = resolve; });
	await Promise.all(bosses.map((boss) => boss.work('mail',
	    { batchSize: 3, pollingIntervalSeconds: 0.5 }, async (some) => {
		for (const { data } of some)
			done.push(data.n);
		if (done.length === 40)
			end();
	})));
	await Promise.all(Array.from({ length: 20 }, (_, n) =>
	    bosses[n % 3].send('mail', { n })));
	await bosses[0].insert('mail', Array.from({ length: 20 }, (_, n) =>
	    ({ data: { n: 20 + n } })));
	await ended;
	await Promise.all(bosses.map((boss) => boss.offWork('mail')));
	tell('jobs', done.sort((a, b) => a - b));
}

async function byHand() {
	const [one, two] = bosses;
	const client = await pool.connect();
	const db = { executeSql: (text, values) => client.query(text, values) };
	await client.query('begin');
	await one.send('once', { n: 1 }, { db });
	await client.query('rollback');
	tell('by hand', await two.fetch('once'));
	await client.query('begin');
	await one.send('once', { n: 2 }, { db });
	await client.query('commit');
	client.release();
	const [job] = await two.fetch('once');
	tell('by hand', job.data, await one.fetch('once'));
	await two.complete('once', job.id, { said: 'ü' });
	tell('by hand', (await one.getJobById('once', job.id)).state);
	await one.send('mail', { n: 3 });
	for (let turn = 0; turn < 2; turn++) {
		const [again] = await two.fetch('mail');
		await two.fail('mail', again.id, { why: turn });
	}
	tell('by hand', (await one.fetch('dead'))[0].data);
	await one.send('part', { n: 4 });
	tell('by hand', (await two.fetch('part'))[0].data);
	await one.schedule('mail', '0 3 * * *', { n: 5 });
	tell('by hand', (await two.getSchedules()).map((s) => s.cron));
	await one.publish('nobody', {});
	tell('by hand', await errorOf(one.send('missing', {})));
}

async function close() {
	isClosing = true;
	await Promise.all(bosses.map((boss) => boss.stop({ graceful: true,
	    wait: true })));
	await pool.end();
	tell('close', 'all');
}

story(open, queues, jobs, byHand, close);
