<?php
/*
 * The story in PDO's idiom: prepared statements with names of its own that
 * DEALLOCATE ends, or emulated ones (STORY_MODE); persistent connections, COPY, large objects,
 * notifications; a crowd of connections in turns.
 */
$clients = (int)getenv('STORY_CLIENTS');
$emulated = getenv('STORY_MODE') === 'emulated';

function tell($subject, ...$what)
{
	echo "$subject: ", implode(' ', array_map(fn ($w) => is_string($w) ? $w :
	    json_encode($w, JSON_UNESCAPED_UNICODE), $what)), "\n";
}

function connect($parameters = '', $options = [])
{
	global $emulated;
	return new PDO('pgsql:host=' . getenv('PGHOST') . ';port=' .
	    getenv('PGPORT') . ';dbname=' . getenv('PGDATABASE') . $parameters,
	    getenv('PGUSER'), getenv('PGPASSWORD'), $options +
	    [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
	     PDO::ATTR_EMULATE_PREPARES => $emulated,
	     PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM]);
}

function rows($db, $sql, $values = [])
{
	$statement = $db->prepare($sql);
	$statement->execute($values);
	return $statement->fetchAll();
}

function one($db, $sql, $values = [])
{
	return rows($db, $sql, $values)[0][0];
}

function error_of($call)
{
	try {
		$call();
	} catch (PDOException $error) {
		return $error->getCode();
	}
	return 'no error';
}

function urls()
{
	foreach ([';sslmode=require', ";options='-csearch_path=other_schema'",
	    ";options='--statement_timeout=5s'" .
	    ';application_name=x;connect_timeout=5',
	    ';target_session_attrs=read-write',
	    ';target_session_attrs=read-only', ";options='-c nosuch=1'",
	    ';sslmode=verify-full;sslrootcert=' . getenv('STORY_CA')]
	    as $number => $parameters) {
		try {
			$db = connect($parameters);
			tell("url $number", one($db, 'show search_path'),
			    one($db, 'show statement_timeout'),
			    one($db, 'show application_name'),
			    rows($db, 'select name from product where id = ?', [1]),
			    $db->getAttribute(PDO::ATTR_SERVER_VERSION));
		} catch (PDOException $error) {
			tell("url $number", preg_replace('/.*failed: /s', '',
			    $error->getMessage()));
		}
	}
}

function types()
{
	$db = connect();
	foreach ([['bool', 't'], ['int4', 7], ['int8', '1099511627776'],
	    ['float8', 1.5], ['numeric', '12.340'], ['text', "ü ' \\ ?"],
	    ['date', '2024-02-29'], ['timestamptz', '2024-02-29 00:00:00+00'],
	    ['int4[]', '{1,NULL,3}'], ['jsonb', '{"a": 1}'],
	    ['mood', 'happy'], ['text', null]] as [$kind, $value])
		tell('types', $kind, rows($db, "select ?::$kind", [$value]));
	$statement = $db->prepare('insert into item (id, name, body, is_good) ' .
	    'values (:id, :name, :body, :good) returning *');
	$statement->bindValue('id', 1, PDO::PARAM_INT);
	$statement->bindValue('name', 'one');
	$statement->bindValue('body', "\0\xff", PDO::PARAM_LOB);
	$statement->bindValue('good', true, PDO::PARAM_BOOL);
	$statement->execute();
	$row = $statement->fetch();
	$row[3] = bin2hex(stream_get_contents($row[3]));
	tell('types', $row);
	$db->beginTransaction();
	$db->exec("insert into drawn (name) values ('x')");
	tell('types', $db->lastInsertId(), $db->lastInsertId('drawn_id_seq'));
	$db->commit();
	/* Outside of a transaction: its own number or an error, no other. */
	$db->exec("insert into drawn (name) values ('x')");
	try {
		tell('types', $db->lastInsertId() === '2');
	} catch (PDOException $error) {
		tell('types', $error->getCode() === '55000');
	}
}

function prepared()
{
	$db = connect();
	$statement = $db->prepare('select name, ?::int from product where id = ?');
	foreach (['naytife_schema', 'other_schema', 'public'] as $path) {
		$db->exec("set search_path = $path");
		for ($i = 0; $i < 3; $i++) {
			$statement->execute([$i, 1]);
			tell('prepared', $statement->fetch());
			$statement->closeCursor();
		}
	}
	unset($statement);
	for ($i = 0; $i < 30; $i++)
		rows($db, "select $i + ?::int", [$i]);
	tell('prepared', error_of(fn () => rows($db,
	    'select nosuch from product where id = ?', [1])));
	tell('prepared', one($db, "select 'after'"));
	tell('prepared', $db->exec('update account set balance = balance + 1'));
	$db->exec('insert into drawn (name) values (1); select 1');
}

function transactions()
{
	$db = connect();
	$db->beginTransaction();
	$db->exec('insert into account values (100, 1)');
	$db->exec('savepoint a');
	tell('transaction', error_of(fn () => rows($db,
	    'insert into account values (?, ?)', [100, 2])));
	tell('transaction', error_of(fn () => rows($db, 'select 1')));
	$db->exec('rollback to a');
	$db->exec('set local search_path = other_schema');
	tell('transaction', rows($db, 'select name from product'));
	tell('transaction', $db->inTransaction(), $db->commit(),
	    rows($db, 'select balance from account where id = ?', [100]));
	$db->beginTransaction();
	$db->exec('delete from account');
	tell('transaction', $db->rollBack(),
	    one($db, 'select count(*) from account'));
	$db->exec('call pay(1, 2, 10)');
	tell('transaction', error_of(fn () => $db->exec(
	    'insert into account values (101, 1); select 1 / 0')),
	    one($db, 'select count(*) from account where id = 101'));
}

function copies()
{
	$db = connect();
	$lines = [];
	for ($i = 10; $i < 2000; $i++)
		$lines[] = "$i\tname $i";
	tell('copy', $db->pgsqlCopyFromArray('item', $lines, "\t", '\\\\N',
	    'id, name'));
	$out = $db->pgsqlCopyToArray('item', "\t", '\\\\N', 'id, name');
	tell('copy', count($out), $out[0]);
	tell('copy', error_of(fn () => $db->pgsqlCopyFromArray('item',
	    ["10\tagain"], "\t", '\\\\N', 'id, name')));
	tell('copy', one($db, 'select count(*) from item'));
}

function cursors()
{
	$db = connect();
	$db->beginTransaction();
	$statement = $db->prepare('select generate_series(1, 9)',
	    [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
	$statement->execute();
	tell('cursor', $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST),
	    $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR),
	    $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 3));
	$statement->closeCursor();
	$db->commit();
	$oid = null;
	$db->beginTransaction();
	$oid = $db->pgsqlLOBCreate();
	$stream = $db->pgsqlLOBOpen($oid, 'w');
	fwrite($stream, str_repeat('large object ', 1000));
	fclose($stream);
	$db->commit();
	$db->beginTransaction();
	$stream = $db->pgsqlLOBOpen($oid, 'r');
	fseek($stream, 6);
	tell('large object', fread($stream, 6));
	fclose($stream);
	tell('large object', $db->pgsqlLOBUnlink($oid));
	$db->commit();
}

function notifications()
{
	$listener = connect();
	$teller = connect();
	$listener->exec('listen news');
	for ($i = 0; $i < 3; $i++)
		$teller->exec("notify news, 'news $i'");
	for ($i = 0; $i < 3; $i++) {
		$note = $listener->pgsqlGetNotify(PDO::FETCH_ASSOC, 20000);
		tell('notify', $note['message'], $note['payload']);
	}
	tell('notify', $listener->pgsqlGetPid() > 0);
}

function sessions()
{
	$db = connect();
	$other = connect();
	$db->exec('create temp table mine (a int)');
	$db->exec("set work_mem = '9MB'");
	rows($db, 'select pg_advisory_lock(?)', [42]);
	tell('session', rows($db, 'select * from mine'),
	    one($db, 'show work_mem'), one($other, 'show work_mem'),
	    one($other, 'select pg_try_advisory_lock(42)'),
	    error_of(fn () => $other->exec('select * from mine')));
	unset($db);
	do {
		$is_free = one($other, 'select pg_try_advisory_lock(42)');
	} while (!$is_free);
	tell('session', $is_free);
	/* A persistent connection is kept, and found again. */
	$kept = connect('', [PDO::ATTR_PERSISTENT => true]);
	$kept->exec("set work_mem = '7MB'");
	unset($kept);
	$kept = connect('', [PDO::ATTR_PERSISTENT => true]);
	tell('session', one($kept, 'show work_mem'));
}

/* One process: all of them are open, and each has its turn. */
function crowd()
{
	global $clients;
	$all = $statements = [];
	for ($i = 0; $i < $clients; $i++) {
		$all[$i] = connect(";application_name=crowd-$i");
		$all[$i]->exec('set search_path = ' . ['naytife_schema',
		    'other_schema', 'public'][$i % 3] . ', public');
		$statements[$i] = $all[$i]->prepare('select name, ?::int, ' .
		    "current_setting('application_name') from product");
	}
	for ($turn = 0; $turn < 4; $turn++)
		for ($i = 0; $i < $clients; $i++) {
			$statements[$i]->execute([$turn]);
			tell("crowd $i", $statements[$i]->fetch(),
			    rows($all[$i], 'update account set balance = balance ' .
			    '+ 1 where id = ? returning balance', [$i + 1]));
		}
}

foreach (['urls', 'types', 'prepared', 'transactions', 'copies', 'cursors',
    'notifications', 'sessions', 'crowd'] as $chapter)
	$chapter();
