/*
 * The story of graphile-worker: its migrations from several processes at
 * once, workers that LISTEN, jobs added by SQL in the application's own
 * transactions, retries, queues in which jobs come one after another.
 */
'use strict';

const { run, runOnce, makeWorkerUtils, quickAddJob, Logger } =
    require('graphile-worker');
const { EventEmitter } = require('events');
const { Pool } = require('pg');
const { url, clients, tell, errorOf, story } = require('./story.cjs');

const quiet = new Logger(() => () => {});
const options = { connectionString: url, logger: quiet,
    maxPoolSize: clients, concurrency: 4, pollInterval: 60000,
    noHandleSignals: true };
const pool = new Pool({ connectionString: url, max: clients });
const done = [];
const waiting = [];

function note(what) {
	done.push(what);
	for (const wish of waiting)
		if (wish.condition())
			wish.resolve();
}

/* Polling is off: what is waited for is a NOTIFY that was heard. */
function until(condition) {
	return new Promise((resolve) => condition() ? resolve() :
	    waiting.push({ condition, resolve }));
}

const tasks = {
	mail: async ({ n }) => note(`mail ${n}`),
	line: async ({ n }) => note(`line ${n}`),
	pays: async ({ n }, { withPgClient }) => {
		const { rows } = await withPgClient((client) => client.query(
		    'update account set balance = balance + $1 where id = 1 ' +
		    'returning balance', [n]));
		note(`pays ${rows.length}`);
	},
	fails: async (_, { job }) => {
		note(`fails ${job.attempts}`);
		throw new Error('as it should');
	},
};
let runners;

async function open() {
	await Promise.all([0, 1, 2].map(async () => {
		const utils = await makeWorkerUtils(options);
		await utils.migrate();
		await utils.release();
	}));
	tell('open', (await pool.query('select count(*) > 10 as is_done ' +
	    'from graphile_worker.migrations')).rows);
	runners = await Promise.all([0, 1].map(runs));
}

/* A worker that listens: what is asked behind its LISTEN is answered. */
async function runs() {
	const events = new EventEmitter();
	const listens = new Promise((resolve, reject) => {
		events.once('pool:listen:success', ({ client }) =>
			setImmediate(() => client.query('select 1').then(
			    resolve, reject)));
	});
	const runner = await run({ ...options, taskList: tasks, events });
	await listens;
	return runner;
}

async function heard() {
	await quickAddJob(options, 'mail', { n: 1 });
	await until(() => done.includes('mail 1'));
	tell('heard', done);
	const client = await pool.connect();
	await client.query('begin');
	await client.query(
	    "select graphile_worker.add_job('mail', json_build_object('n', 2))");
	await client.query('rollback');
	await client.query('begin');
	await client.query(
	    "select graphile_worker.add_job('mail', json_build_object('n', 3))");
	await client.query('commit');
	client.release();
	await until(() => done.includes('mail 3'));
	tell('heard', done);
}

async function lines() {
	done.length = 0;
	for (let n = 0; n < 10; n++)
		await runners[n % 2].addJob('line', { n }, { queueName: 'q' });
	/* When two workers look at a queue at once both may leave it to the
	 * other; graphile looks again at its next poll. */
	while (done.length < 10)
		await runOnce({ ...options, taskList: tasks });
	tell('line', done);
	done.length = 0;
	await Promise.all(Array.from({ length: 50 }, (_, n) =>
	    runners[n % 2].addJob('pays', { n: 1 })));
	await until(() => done.length === 50);
	tell('pays', done.length);
	tell('pays', (await pool.query(
	    'select balance from account where id = 1')).rows);
	await runners[0].addJob('mail', { n: 7 }, { jobKey: 'k',
	    runAt: new Date(Date.now() + 3600000) });
	await runners[1].addJob('mail', { n: 8 }, { jobKey: 'k' });
	await until(() => done.includes('mail 8'));
	tell('key', done.filter((what) => what.startsWith('mail')));
	done.length = 0;
	await runners[0].addJob('fails', {}, { maxAttempts: 1 });
	await until(() => done.includes('fails 1'));
	tell('fails', done);
}

async function close() {
	await Promise.all(runners.map((runner) => runner.stop()));
	tell('close', (await pool.query('select task_identifier, attempts, ' +
	    'last_error from graphile_worker.jobs order by 1')).rows);
	await quickAddJob(options, 'mail', { n: 9 });
	done.length = 0;
	await runOnce({ ...options, taskList: tasks });
	tell('close', done, await errorOf(pool.query(
	    "select graphile_worker.add_job('mail', 1, 'x', 'y')")));
	await pool.end();
}

story(open, heard, lines, close);
