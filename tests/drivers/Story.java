/*
 * The story in JDBC's idiom: named statements from the first or the fifth
 * time on (STORY_MODE; or simple queries only), batches, cursors by fetch
 * size, CopyManager, large objects by function calls, a small pool.
 */
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public class Story {
	static final String mode = System.getenv("STORY_MODE");
	static final int clients =
	    Integer.parseInt(System.getenv("STORY_CLIENTS"));

	interface Call {
		void run() throws Exception;
	}

	static void tell(String subject, Object... what) {
		StringBuilder line = new StringBuilder(subject + ":");
		for (Object one : what)
			line.append(' ').append(one instanceof byte[] ?
			    Arrays.toString((byte[])one) : one);
		synchronized (System.out) {
			System.out.println(line);
		}
	}

	static Connection connect(String parameters) throws SQLException {
		Properties properties = new Properties();
		properties.setProperty("user", System.getenv("PGUSER"));
		properties.setProperty("password", System.getenv("PGPASSWORD"));
		if (mode.equals("simple"))
			properties.setProperty("preferQueryMode", "simple");
		else
			properties.setProperty("prepareThreshold", mode);
		/* Nobody listens at the first of two hosts. */
		return DriverManager.getConnection("jdbc:postgresql://" +
		    (parameters.contains("targetServerType=") ?
		    "127.0.0.1:1," : "") + System.getenv("PGHOST") + ":" +
		    System.getenv("PGPORT") + "/" +
		    System.getenv("PGDATABASE") + parameters, properties);
	}

	static List<List<Object>> rows(Connection db, String sql,
	    Object... values) throws SQLException {
		List<List<Object>> all = new ArrayList<>();
		try (PreparedStatement statement = db.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++)
				statement.setObject(i + 1, values[i]);
			boolean is_rows = statement.execute();
			if (!is_rows)
				return List.of(List.of(statement.getUpdateCount()));
			ResultSet set = statement.getResultSet();
			int columns = set.getMetaData().getColumnCount();
			while (set.next()) {
				List<Object> row = new ArrayList<>();
				for (int i = 1; i <= columns; i++)
					row.add(set.getString(i));
				all.add(row);
			}
		}
		return all;
	}

	static Object one(Connection db, String sql, Object... values)
	    throws SQLException {
		return rows(db, sql, values).get(0).get(0);
	}

	static String errorOf(Call call) throws Exception {
		try {
			call.run();
		} catch (SQLException error) {
			return error.getSQLState();
		}
		return "no error";
	}

	static void urls() throws Exception {
		String[] forms = { "?sslmode=require&currentSchema=naytife_schema",
		    "?currentSchema=other_schema,public&ApplicationName=x",
		    "?options=-c%20search_path=other_schema%20" +
		    "-c%20statement_timeout=5s",
		    "?sslmode=verify-full&sslrootcert=" +
		    System.getenv("STORY_CA"), "?targetServerType=primary",
		    "?targetServerType=preferSecondary", "?readOnly=true",
		    "?targetServerType=secondary", "?options=-c%20nosuch=1",
		    "?assumeMinServerVersion=9.0&binaryTransfer=false",
		    "?loginTimeout=10&tcpKeepAlive=true&reWriteBatchedInserts=true",
		    "?stringtype=unspecified&defaultRowFetchSize=10",
		    "?preparedStatementCacheQueries=0" };
		for (int i = 0; i < forms.length; i++)
			try (Connection db = connect(forms[i])) {
				tell("url " + i, one(db, "show search_path"),
				    one(db, "show statement_timeout"),
				    one(db, "show application_name"),
				    one(db, "show extra_float_digits"),
				    db.getSchema(), db.isReadOnly(), db.isValid(10),
				    db.getTransactionIsolation(),
				    one(db, "select count(*) from pg_class where " +
				    "relname = ?", "product"));
			} catch (SQLException error) {
				tell("url " + i, error.getSQLState());
			}
	}

	static void types() throws Exception {
		Connection db = connect("");
		Object[] values = { true, 7, 1L << 40, 1.5, new BigDecimal("12.340"),
		    "ü ' \\ ?", Timestamp.valueOf("2024-02-29 01:02:03.004"),
		    java.sql.Date.valueOf("2024-02-29"),
		    UUID.fromString("00000000-0000-0000-0000-000000000005"),
		    java.time.OffsetDateTime.parse("2024-02-29T01:02:03Z"),
		    db.createArrayOf("int4", new Object[] { 1, null, 3 }) };
		try (PreparedStatement statement =
		    db.prepareStatement("select ?, ?::text, ?::bytea")) {
			for (Object value : values)
				for (int i = 0; i < 6; i++) {
					statement.setObject(1, value);
					statement.setNull(2, Types.VARCHAR);
					statement.setBytes(3, new byte[] { 0, -1 });
					ResultSet set = statement.executeQuery();
					set.next();
					if (i % 5 == 0)
						tell("types", set.getString(1),
						    set.getString(2), set.getBytes(3),
						    set.getMetaData().getColumnTypeName(1));
				}
		}
		try (PreparedStatement statement = db.prepareStatement(
		    "insert into drawn (name) values (?)",
		    Statement.RETURN_GENERATED_KEYS)) {
			statement.setString(1, "x");
			statement.executeUpdate();
			ResultSet keys = statement.getGeneratedKeys();
			keys.next();
			tell("types", keys.getLong("id"), keys.getString("name"));
		}
		ResultSet columns = db.getMetaData().getColumns(null, "public",
		    "item", null);
		while (columns.next())
			tell("types", columns.getString("COLUMN_NAME"),
			    columns.getString("TYPE_NAME"));
		try (CallableStatement call =
		    db.prepareCall("{ ? = call add_up(?, ?) }")) {
			call.registerOutParameter(1, Types.INTEGER);
			call.setInt(2, 3);
			call.setInt(3, 4);
			call.execute();
			tell("types", call.getInt(1));
		}
		db.close();
	}

	static void prepared() throws Exception {
		Connection db = connect("");
		PreparedStatement statement = db.prepareStatement(
		    "select name, ?::int from product where id = ?");
		for (int i = 0; i < 12; i++) {
			statement.setInt(1, i);
			statement.setInt(2, 1);
			ResultSet set = statement.executeQuery();
			set.next();
			tell("prepared", set.getString(1), set.getInt(2));
		}
		tell("prepared", statement.getParameterMetaData()
		    .getParameterCount());
		/* The driver notices this and prepares again. */
		for (String path : new String[] { "naytife_schema", "other_schema" }) {
			db.createStatement().execute("set search_path = " + path);
			for (int i = 0; i < 7; i++) {
				ResultSet set = statement.executeQuery();
				set.next();
				tell("prepared", set.getString(1));
			}
		}
		db.createStatement().execute("reset search_path");
		for (int i = 0; i < 300; i++)
			rows(db, "select " + i + " + ?::int", i);
		tell("prepared", errorOf(() -> rows(db,
		    "select nosuch from product where id = ?", 1)),
		    one(db, "select 'after'"));
		for (int i = 0; i < 7; i++)
			rows(db, "select * from changing where a > ?", 0);
		db.createStatement().execute(
		    "alter table changing add b text default 'b'");
		/* autosave=never: known to fail once, or prepared again. */
		String state = errorOf(() -> rows(db,
		    "select * from changing where a > ?", 0));
		tell("prepared", state.equals("0A000") || state.equals("no error"),
		    rows(db, "select * from changing where a > ?", 0));
		db.createStatement().execute("deallocate all");
		tell("prepared", one(db, "select 'after'"));
		db.close();
	}

	static void batches() throws Exception {
		Connection db = connect("?reWriteBatchedInserts=true");
		for (int turn = 0; turn < 2; turn++) {
			PreparedStatement batch = db.prepareStatement(
			    "insert into item (id, name) values (?, ?)");
			for (int i = 0; i < 1000; i++) {
				batch.setInt(1, turn * 1000 + i);
				batch.setString(2, "name " + i);
				batch.addBatch();
			}
			int[] counts = batch.executeBatch();
			tell("batch", counts.length, one(db,
			    "select count(*) from item"));
		}
		PreparedStatement failing = db.prepareStatement(
		    "update account set balance = balance - ? where id = ?");
		for (int i = 1; i < 6; i++) {
			failing.setInt(1, i == 4 ? 1000 : 1);
			failing.setInt(2, i);
			failing.addBatch();
		}
		try {
			failing.executeBatch();
		} catch (BatchUpdateException error) {
			tell("batch", error.getSQLState(),
			    Arrays.toString(error.getUpdateCounts()));
		}
		tell("batch", one(db, "select sum(balance) from account"));
		Statement several = db.createStatement();
		tell("batch", several.execute("select 1; update account set " +
		    "balance = balance; select 3"));
		several.getMoreResults();
		tell("batch", several.getUpdateCount(),
		    several.getMoreResults());
		db.close();
	}

	static void transactions(String autosave) throws Exception {
		Connection db = connect("?autosave=" + autosave);
		db.setAutoCommit(false);
		rows(db, "delete from account where id = ?", 100);
		rows(db, "insert into account values (?, ?)", 100, 1);
		Savepoint savepoint = db.setSavepoint("a \"name\"");
		tell("transaction", errorOf(() -> rows(db,
		    "insert into account values (?, ?)", 100, 2)),
		    errorOf(() -> rows(db, "select 1")));
		db.rollback(savepoint);
		db.createStatement().execute(
		    "set local search_path = other_schema");
		tell("transaction", one(db, "select name from product"));
		db.commit();
		tell("transaction", one(db,
		    "select balance from account where id = ?", 100));
		rows(db, "delete from account");
		db.rollback();
		tell("transaction", one(db, "select count(*) from account"));
		db.commit();
		db.setTransactionIsolation(
		    Connection.TRANSACTION_SERIALIZABLE);
		db.setReadOnly(true);
		tell("transaction", one(db, "show transaction_isolation"),
		    errorOf(() -> rows(db, "delete from account")));
		db.rollback();
		db.setReadOnly(false);
		db.setAutoCommit(true);
		tell("transaction", one(db, "show transaction_isolation"),
		    db.getTransactionIsolation());
		Statement noisy = db.createStatement();
		noisy.execute("select complain('x')");
		tell("transaction", noisy.getWarnings().getMessage());
		rows(db, "call pay(?, ?, ?)", 1, 2, 10);
		db.close();
	}

	static void copies() throws Exception {
		Connection db = connect("");
		CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
		StringBuilder data = new StringBuilder();
		for (int i = 10000; i < 15000; i++)
			data.append(i).append("\tname ").append(i).append('\n');
		tell("copy", copy.copyIn("copy item (id, name) from stdin",
		    new StringReader(data.toString())));
		StringWriter out = new StringWriter();
		tell("copy", copy.copyOut("copy (select id, name from item " +
		    "order by id) to stdout", out), out.toString().length());
		tell("copy", errorOf(() -> copy.copyIn(
		    "copy item (id, name) from stdin",
		    new StringReader("10000\tagain\n"))));
		db.close();
	}

	static void cursors() throws Exception {
		Connection db = connect("");
		db.setAutoCommit(false);
		PreparedStatement statement = db.prepareStatement(
		    "select generate_series(1, ?)");
		statement.setFetchSize(7);
		for (int turn = 0; turn < 6; turn++) {
			statement.setInt(1, 100);
			ResultSet set = statement.executeQuery();
			long sum = 0;
			while (set.next()) {
				sum += set.getLong(1);
				if (turn == 3 && sum > 100)
					break;
				if (sum % 50 == 0)
					one(db, "select 'between'");
			}
			tell("cursor", sum);
		}
		db.commit();
		LargeObjectManager manager =
		    db.unwrap(PGConnection.class).getLargeObjectAPI();
		long oid = manager.createLO();
		LargeObject large = manager.open(oid);
		large.write("large object ".repeat(1000).getBytes());
		large.seek(6);
		tell("large object", new String(large.read(6)), large.size());
		large.close();
		manager.delete(oid);
		db.commit();
		db.close();
	}

	static void notifications() throws Exception {
		Connection db = connect(""), teller = connect("");
		PGConnection listener = db.unwrap(PGConnection.class);
		db.createStatement().execute("listen news");
		db.createStatement().execute("notify news, 'from myself'");
		int heard = 0;
		for (int i = 0; i < 3; i++)
			one(teller, "select pg_notify('news', ?)", "news " + i);
		while (heard < 4)
			for (org.postgresql.PGNotification note :
			    listener.getNotifications(20000)) {
				tell("notify", note.getName(), note.getParameter(),
				    heard > 0 || note.getPID() ==
				    listener.getBackendPID());
				heard++;
			}
		db.createStatement().execute("unlisten *");
		db.close();
		teller.close();
	}

	static void cancels() throws Exception {
		Connection db = connect(""), watcher = connect("");
		Statement sleeping = db.createStatement();
		Thread thread = new Thread(() -> {
			try {
				while (one(watcher, "select count(*) from " +
				    "sleeper").equals("0"))
					;
				sleeping.cancel();
			} catch (SQLException error) {
				tell("cancel", error.getMessage());
			}
		});
		thread.start();
		tell("cancel", errorOf(() -> sleeping.execute(
		    "select nap(60)")));
		thread.join();
		Statement limited = db.createStatement();
		limited.setQueryTimeout(1);
		tell("cancel", errorOf(() -> limited.execute(
		    "select pg_sleep(60)")), one(db, "select 1"));
		db.close();
		watcher.close();
	}

	static void sessions() throws Exception {
		Connection db = connect(""), other = connect("");
		db.createStatement().execute(
		    "create temp table mine as select 1 as a");
		db.createStatement().execute("set work_mem = '9MB'");
		one(db, "select pg_advisory_lock(42)");
		db.setSchema("other_schema");
		db.setClientInfo("ApplicationName", "mine");
		tell("session", one(db, "select a from mine"),
		    one(db, "show work_mem"), one(other, "show work_mem"),
		    one(other, "select pg_try_advisory_lock(42)"),
		    db.getSchema(), one(db, "show application_name"));
		db.createStatement().execute("discard all");
		tell("session", one(db, "show work_mem"),
		    one(other, "select pg_try_advisory_lock(42)"),
		    errorOf(() -> one(db, "select a from mine")));
		db.close();
		other.close();
	}

	static List<Object> crowdOne(BlockingQueue<Connection> pool, int number)
	    throws Exception {
		Set<Object> seen = new LinkedHashSet<>();
		for (int turn = 0; turn < 12; turn++) {
			Connection db = pool.take();
			db.setSchema(new String[] { "naytife_schema",
			    "other_schema", "public" }[number % 3]);
			seen.add(one(db, "select name from product where id = ?", 1));
			db.setAutoCommit(false);
			rows(db, "update public.account set balance = balance + 1 " +
			    "where id = ?", number + 1);
			db.commit();
			seen.add(errorOf(() -> one(db, "select 1 / ?", 0)));
			db.rollback();
			db.setAutoCommit(true);
			if (turn == 11)
				seen.add(one(db, "select balance from public.account " +
				    "where id = ?", number + 1));
			pool.add(db);
		}
		return new ArrayList<>(seen);
	}

	static void crowd() throws Exception {
		BlockingQueue<Connection> pool = new LinkedBlockingQueue<>();
		for (int i = 0; i < clients; i++)
			pool.add(connect(""));
		ExecutorService threads = Executors.newFixedThreadPool(clients);
		List<Future<List<Object>>> all = new ArrayList<>();
		for (int i = 0; i < clients; i++) {
			int number = i;
			all.add(threads.submit(() -> crowdOne(pool, number)));
		}
		for (int i = 0; i < clients; i++)
			tell("crowd " + i, all.get(i).get());
		threads.shutdown();
		for (Connection db : pool)
			db.close();
	}

	public static void main(String[] arguments) throws Exception {
		urls();
		if (!mode.equals("simple"))	/* it cannot write bytea so */
			types();
		prepared();
		batches();
		for (String autosave : new String[] { "never", "always",
		    "conservative" })
			transactions(autosave);
		copies();
		cursors();
		notifications();
		cancels();
		sessions();
		crowd();
	}
}
