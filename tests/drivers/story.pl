#!/usr/bin/perl
# The story in DBD::Pg's idiom: prepares late, switches to named statements,
# keeps savepoints, frees with DEALLOCATE, asynchronous queries.
use strict;
use warnings;
use DBI qw(:sql_types);
use DBD::Pg qw(:pg_types :async);

$| = 1;
my $clients = $ENV{STORY_CLIENTS};
binmode STDOUT, ':utf8';

sub tell_of {
	my $subject = shift;
	print "$subject: ", join(' ', map { !defined $_ ? 'null' :
	    ref $_ ? '[' . join(',', map { defined $_ ? ref $_ ?
	    "[@$_]" : $_ : 'null' } @$_) . ']' : $_ } @_), "\n";
}

sub open_db {
	my ($parameters, %more) = @_;
	return DBI->connect("dbi:Pg:host=$ENV{PGHOST};port=$ENV{PGPORT};" .
	    "dbname=$ENV{PGDATABASE}" . ($parameters // ''), $ENV{PGUSER},
	    $ENV{PGPASSWORD}, { RaiseError => 1, PrintError => 0,
	    AutoCommit => 1, pg_enable_utf8 => 1, %more });
}

sub one {
	my ($db, $sql, @values) = @_;
	return ($db->selectrow_array($sql, undef, @values))[0];
}

sub error_of {
	my ($db, $call) = @_;
	return eval { $call->(); 1 } ? 'no error' : $db->state;
}

sub urls {
	my $number = 0;
	for my $parameters (';sslmode=require',
	    ";options='-c search_path=other_schema -c statement_timeout=5s'",
	    ';application_name=x;connect_timeout=5',
	    ';target_session_attrs=read-only', ";options='-c nosuch=1'") {
		$number++;
		my $db = eval { open_db($parameters) };
		if (!$db) {
			my $said = $DBI::errstr;
			$said =~ s/.*failed: //s;
			tell_of("url $number", $said);
			next;
		}
		tell_of("url $number", map { one($db, "show $_") }
		    qw(search_path statement_timeout application_name));
		tell_of("url $number", $db->ping, $db->{pg_server_version},
		    $db->{pg_db} eq $ENV{PGDATABASE});
		$db->disconnect;
	}
}

sub types {
	my $db = open_db();
	for (['bool', 't'], ['int4', 7], ['int8', '1099511627776'],
	    ['numeric', '12.340'], ['text', "ü ' \\ ?"],
	    ['date', '2024-02-29'], ['int4[]', [1, undef, 3]],
	    ['text[]', ['a', 'b"']], ['jsonb', '{"a": 1}'],
	    ['mood', 'happy'], ['text', undef]) {
		my ($kind, $value) = @$_;
		tell_of('types', $kind, one($db, "select ?::$kind", $value));
	}
	my $statement = $db->prepare('insert into item (id, name, body) ' .
	    'values (?, ?, ?) returning body');
	$statement->bind_param(1, 1, SQL_INTEGER);
	$statement->bind_param(2, 'one');
	$statement->bind_param(3, "\0\xff", { pg_type => PG_BYTEA });
	$statement->execute;
	tell_of('types', unpack('H*', $statement->fetchrow_array));
	tell_of('types', $db->selectcol_arrayref("select column_name from " .
	    "information_schema.columns where table_name = 'account' order by 1"));
	tell_of('types', map { $_->[3] } @{$db->column_info(undef, 'public',
	    'account', undef)->fetchall_arrayref});
	tell_of('types', $db->primary_key(undef, 'public', 'item'));
	$db->disconnect;
}

sub prepared {
	for my $always (0, 1) {
		my $db = open_db();
		$db->{pg_server_prepare} = 1;
		$db->{pg_switch_prepared} = $always ? 1 : 3;
		my $statement = $db->prepare('select name, ?::int from product ' .
		    'where id = ?');
		for my $path (qw(naytife_schema other_schema public)) {
			$db->do("set search_path = $path");
			for my $i (0 .. 3) {
				$statement->execute($i, 1);
				tell_of('prepared', $statement->fetchrow_arrayref);
			}
		}
		undef $statement;		# says DEALLOCATE
		for my $i (0 .. 20) {
			my $short = $db->prepare("select $i + ?::int");
			$short->execute($_), $short->fetchall_arrayref for 1 .. 4;
		}
		tell_of('prepared', error_of($db, sub {
		    $db->selectrow_array('select nosuch where 1 = ?', undef, 1) }));
		# Freed inside of a transaction that fails: within a savepoint.
		$db->begin_work;
		my $freed = $db->prepare('select 3 + ?::int');
		$freed->execute($_), $freed->fetchall_arrayref for 1 .. 4;
		eval { $db->do('select 1 / 0') };
		undef $freed;
		$db->rollback;
		tell_of('prepared', one($db, "select 'after'"), $db->ping);
		$db->disconnect;
	}
}

sub transactions {
	my $db = open_db(undef, AutoCommit => 0);
	$db->do('insert into account values (100, 1)');
	$db->pg_savepoint('a');
	tell_of('transaction', error_of($db, sub { $db->do(
	    'insert into account values (?, 2)', undef, 100) }), $db->ping);
	$db->pg_rollback_to('a');
	$db->pg_release('a');
	$db->do('set local search_path = other_schema');
	tell_of('transaction', one($db, 'select name from product'));
	$db->commit;
	tell_of('transaction', one($db,
	    'select balance from account where id = ?', 100));
	$db->do('delete from account');
	$db->rollback;
	tell_of('transaction', one($db, 'select count(*) from account'));
	$db->do("insert into drawn (name) values ('x')");
	tell_of('transaction', $db->last_insert_id(undef, 'public', 'drawn',
	    undef));
	$db->commit;
	$db->{AutoCommit} = 1;
	tell_of('transaction', $db->do('call pay(1, 2, 10)'),
	    error_of($db, sub { $db->do('insert into account values (101, 1);' .
	    ' select 1 / 0') }),
	    one($db, 'select count(*) from account where id = 101'));
	$db->disconnect;
}

sub copies {
	my $db = open_db();
	$db->do('copy item (id, name) from stdin');
	$db->pg_putcopydata("$_\tname $_\n") for 10 .. 2999;
	tell_of('copy', $db->pg_putcopyend);
	$db->do('copy item (id, name) to stdout');
	my ($row, $bytes) = ('', 0);
	$bytes += length $row while $db->pg_getcopydata($row) >= 0;
	tell_of('copy', $bytes);
	$db->do('copy item (id, name) from stdin');
	$db->pg_putcopydata("10\tagain\n");
	tell_of('copy', error_of($db, sub { $db->pg_putcopyend }));
	tell_of('copy', one($db, 'select count(*) from item'));
	$db->disconnect;
}

sub asynchronous {
	my $db = open_db();
	my $watcher = open_db();
	$db->do('select nap(60)', { pg_async => PG_ASYNC });
	tell_of('cancel', $db->pg_ready);
	while (!one($watcher, 'select count(*) from sleeper')) {
	}
	tell_of('cancel', $db->pg_cancel);
	tell_of('cancel', one($db, 'select 1'));
	$db->do('listen news');
	$db->do("notify news, 'from myself'");
	my $note = $db->pg_notifies;
	tell_of('notify', $note->[0], $note->[2], $note->[1] == $db->{pg_pid});
	$watcher->do("notify news, 'news $_'") for 1 .. 3;
	for (1 .. 3) {
		while (!($note = $db->pg_notifies)) {
			vec(my $ready = '', $db->{pg_socket}, 1) = 1;
			select($ready, undef, undef, 20) or die;
		}
		tell_of('notify', $note->[0], $note->[2]);
	}
	$db->do('unlisten *');
	$db->begin_work;
	my $oid = $db->pg_lo_creat($db->{pg_INV_WRITE} | $db->{pg_INV_READ});
	my $fd = $db->pg_lo_open($oid, $db->{pg_INV_WRITE} |
	    $db->{pg_INV_READ});
	$db->pg_lo_write($fd, 'large object' x 1000, 12000);
	$db->pg_lo_lseek($fd, 6, 0);
	my $text = '';
	tell_of('large object', $db->pg_lo_read($fd, $text, 6), $text);
	$db->pg_lo_close($fd);
	tell_of('large object', $db->pg_lo_unlink($oid));
	$db->commit;
	$_->disconnect for $db, $watcher;
}

sub sessions {
	my $db = open_db();
	my $other = open_db();
	$db->do('create temp table mine as select 1 as a');
	$db->do("set work_mem = '9MB'");
	$db->do('select pg_advisory_lock(42)');
	tell_of('session', one($db, 'select a from mine'),
	    one($db, 'show work_mem'), one($other, 'show work_mem'),
	    one($other, 'select pg_try_advisory_lock(42)'));
	$db->do('discard all');
	tell_of('session', one($db, 'show work_mem'),
	    one($other, 'select pg_try_advisory_lock(42)'),
	    error_of($db, sub { $db->do('select a from mine') }));
	$_->disconnect for $db, $other;
}

# Processes, each with a connection of its own.
sub crowd {
	my @pipes;
	for my $number (0 .. $clients - 1) {
		my $child = open(my $pipe, '-|') // die;
		if ($child == 0) {
			binmode STDOUT, ':utf8';
			my %seen;
			my $db = open_db(";application_name=crowd-$number");
			$db->do('set search_path = ' . (qw(naytife_schema
			    other_schema public))[$number % 3] . ', public');
			my $mine = $db->prepare('select name, current_setting(' .
			    "'application_name') from product where id = ?");
			for (1 .. 8) {
				$mine->execute(1);
				$seen{join ' ', $mine->fetchrow_array} = 1;
				$mine->finish;
				$db->begin_work;
				$db->do('update account set balance = balance + 1 ' .
				    'where id = ?', undef, $number + 1);
				$db->commit;
				$seen{error_of($db, sub {
				    $db->do('select 1 / 0') })} = 1;
			}
			$seen{one($db, 'select balance from account where id = ?',
			    $number + 1)} = 1;
			tell_of("crowd $number", sort keys %seen);
			$db->disconnect;
			exit 0;
		}
		push @pipes, $pipe;
	}
	for my $pipe (@pipes) {
		binmode $pipe, ':utf8';
		print while <$pipe>;
		close $pipe;
	}
}

urls(), types(), prepared(), transactions(), copies(), asynchronous(),
    sessions(), crowd();
