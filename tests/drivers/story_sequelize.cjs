/*
 * The story through Sequelize, with umzug's migrations.  It is the one that
 * makes functions in pg_temp (findOrCreate) and that sets things on every
 * connection.
 */
'use strict';

const { Sequelize, DataTypes, Op, Transaction } = require('sequelize');
const { Umzug, SequelizeStorage } = require('umzug');
const { url, clients, tell, errorOf, crowd, story } = require('./story.cjs');

const db = new Sequelize(url, { logging: false, timezone: '+02:00',
    pool: { max: clients * 2 },
    dialectOptions: { application_name: 'sequelize',
    statement_timeout: 60000,
    options: '-c search_path=public,naytife_schema' } });
const Owner = db.define('owner', {
	name: { type: DataTypes.STRING, unique: true },
	doc: DataTypes.JSONB,
	tags: DataTypes.ARRAY(DataTypes.TEXT),
	mood: DataTypes.ENUM('sad', 'ok'),
	at: DataTypes.DATE,
	span: DataTypes.RANGE(DataTypes.INTEGER),
	money: DataTypes.DECIMAL(10, 2),
}, { timestamps: false, paranoid: false });
const Thing = db.define('thing', { name: DataTypes.TEXT },
    { version: true, timestamps: true, createdAt: false, updatedAt: false });
Owner.hasMany(Thing, { onDelete: 'CASCADE' });
Thing.belongsTo(Owner);

async function migrate() {
	const query = db.getQueryInterface();
	const umzug = new Umzug({ storage: new SequelizeStorage({
	    sequelize: db }), context: query, logger: undefined, migrations: [
		{ name: 'one', up: () => query.createTable('moved', {
		    id: { type: DataTypes.INTEGER, primaryKey: true } }),
		    down: () => query.dropTable('moved') },
		{ name: 'two', up: () => db.transaction(async (transaction) => {
			await query.addColumn('moved', 'name',
			    { type: DataTypes.ENUM('a', 'b') }, { transaction });
			await query.addIndex('moved', ['name'], { transaction });
		}), down: () => query.removeColumn('moved', 'name') },
		{ name: 'three', up: () => db.transaction(async (transaction) => {
			await query.addColumn('moved', 'gone', DataTypes.TEXT,
			    { transaction });
			await db.query('select 1 / 0', { transaction });
		}) },
	] });
	tell('migrate', await errorOf(umzug.up()));
	tell('migrate', (await umzug.executed()).map((m) => m.name));
	tell('migrate', Object.keys(await query.describeTable('moved')));
	tell('migrate', (await umzug.down()).map((m) => m.name));
	await db.sync();
	await db.sync({ alter: true });
	tell('migrate', (await query.showAllTables()).map((t) => t.tableName ?? t)
	    .sort());
}

async function rows() {
	const one = await Owner.create({ name: 'one ü', doc: { k: [1, null] },
	    tags: ['a', 'b"'], mood: 'ok', at: new Date(0), span: [1, 5],
	    money: '1.50', things: [{ name: 'x' }] }, { include: Thing });
	tell('create', one.toJSON());
	/* Two that are created together race for their ids. */
	await one.createThing({ name: 'y' });
	tell('create', await errorOf(Owner.create({ name: 'one ü' })));
	tell('find', (await Owner.findAll({ include: Thing, where: {
	    'doc.k': { [Op.ne]: null }, tags: { [Op.contains]: ['a'] } },
	    order: [[Thing, 'id']] })).map((o) => o.toJSON()));
	tell('bulk', (await Owner.bulkCreate([{ name: 'one ü', mood: 'sad' },
	    { name: 'two' }], { updateOnDuplicate: ['mood'],
	    returning: true })).map((o) => o.mood));
	tell('upsert', (await Owner.upsert({ id: 1, name: 'changed' }))[1]);
	const [owner, isNew] = await Owner.findOrCreate({
	    where: { name: 'three' }, defaults: { mood: 'sad' } });
	tell('findOrCreate', owner.name, isNew, (await Owner.findOrCreate({
	    where: { name: 'three' } }))[1]);
	tell('update', (await Owner.update({ mood: 'ok' }, { where: {
	    name: { [Op.iLike]: 't%' } }, returning: ['name'] }))[1]
	    .map((o) => o.name).sort());
	tell('bind', await db.query('select $a::int + $b as n, now() - now() as z',
	    { bind: { a: 1, b: 2 }, plain: true }));
	for (const name of ['TimeZone', 'search_path', 'statement_timeout',
	    'application_name'])
		tell('settings', await db.query(`show ${name}`, { plain: true }));
}

async function transactions() {
	tell('transaction', await errorOf(db.transaction({ isolationLevel:
	    Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async (transaction) => {
		await Owner.create({ name: 'never' }, { transaction });
		tell('transaction', await db.query('show transaction_isolation',
		    { plain: true, transaction }));
		await Owner.create({ name: 'never' }, { transaction });
	})));
	const outer = await db.transaction();
	await Owner.create({ name: 'outer' }, { transaction: outer });
	const inner = await db.transaction({ transaction: outer });
	tell('transaction', await errorOf(Owner.create({ name: 'outer' },
	    { transaction: inner })));
	await inner.rollback();
	tell('transaction', await Owner.findOrCreate({ where: { name: 'outer' },
	    transaction: outer }).then(([o, isNew]) => [o.name, isNew]));
	tell('lock', (await Owner.findOne({ where: { name: 'outer' },
	    lock: outer.LOCK.UPDATE, transaction: outer })).name);
	await outer.commit();
	tell('transaction', await db.transaction({ readOnly: true },
	    (transaction) => Owner.count({ transaction })));
}

async function many() {
	await crowd('crowd', async (number) => {
		const lines = [];
		for (let turn = 0; turn < 3; turn++) {
			await db.transaction(async (transaction) => {
				const own = await Owner.create({
				    name: `${number} ${turn}`, things:
				    [{ name: 'z' }] },
				    { include: Thing, transaction });
				lines.push(await own.countThings({ transaction }));
			});
			/* It ties them to a server for a moment, see max_pinned. */
			if (number <= 2)
				lines.push((await Owner.findOrCreate({ where: {
				    name: `shared ${turn}` } }))[0].name);
			lines.push(await errorOf(db.query('select 1 / 0')));
			const thing = await Thing.findOne({ include: { model: Owner,
			    where: { name: `${number} ${turn}` } } });
			thing.name = 'changed';
			await thing.save();
			lines.push(thing.version);
		}
		return lines;
	});
	tell('crowd', await Owner.count(), await Thing.count());
	await db.close();
}

story(migrate, rows, transactions, many);
