// The story in libpqxx's idiom: transactors and nested transactions, prepared
// statements by name, its pipeline, table streams, cursors, notifications,
// large objects; a crowd of threads.

#include <cstdlib>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <pqxx/pqxx>

static const std::string	url = std::getenv("DATABASE_URL");

template <typename... What>
static void
tell(const std::string &subject, const What &...what)
{
	std::ostringstream	line;

	line << subject << ":";
	((line << " " << what), ...);
	std::cout << line.str() << std::endl;
}

template <typename Call>
static std::string
error_of(Call call)
{
	try {
		call();
	} catch (const pqxx::sql_error &error) {
		return error.sqlstate().empty() ? "error" : error.sqlstate();
	} catch (const std::exception &) {
		return "exception";
	}
	return "no error";
}

static std::string
one(pqxx::transaction_base &work, const std::string &text)
{
	return work.exec1(text)[0].c_str();
}

static void
urls()
{
	const std::string	forms[] = {
		"?sslmode=require&options=-csearch_path%3Dnaytife_schema",
		"?options=-c%20search_path%3Dother_schema%20-c%20"
		"statement_timeout%3D5s&application_name=x",
		"?target_session_attrs=read-write&connect_timeout=5",
		"?target_session_attrs=read-only", "?options=-c%20nosuch%3D1",
	};
	int			number = 0;

	for (const auto &form : forms) {
		std::string	subject = "url " + std::to_string(number++);

		try {
			pqxx::connection	db(url + form);
			pqxx::work		work(db);

			tell(subject, one(work, "show search_path"),
			    one(work, "show statement_timeout"),
			    one(work, "show application_name"),
			    one(work, "select name from product"),
			    db.get_variable("search_path"));
			work.commit();
		} catch (const pqxx::broken_connection &error) {
			tell(subject, "refused");
		}
	}
}

static void
prepared()
{
	pqxx::connection	db(url);

	db.prepare("mine", "select name, $2::int from product where id = $1");
	for (const char *path : { "naytife_schema", "other_schema", "public" }) {
		db.set_variable("search_path", path);
		for (int i = 0; i < 3; i++) {
			pqxx::work	work(db);
			auto		row = work.exec_prepared1("mine", 1, i);

			tell("prepared", row[0].c_str(), row[1].as<int>());
			work.commit();
		}
	}
	{
		pqxx::work	work(db);
		auto		row = work.exec_params1("select $1::bool, "
				    "$2::float8, $3::text, $4::bytea, $5::text",
				    true, 1.5, "ü ' \\", pqxx::binarystring(
				    std::string("\0\377", 2)), nullptr);

		for (const auto &field : row)
			tell("types", field.is_null() ? "null" : field.c_str(),
			    field.type());
	}
	db.unprepare("mine");
	tell("prepared", error_of([&] {
		pqxx::work	work(db);

		work.exec_prepared("mine", 1, 1);
	}));
	for (int i = 0; i < 50; i++) {
		std::string	name = "s" + std::to_string(i);
		pqxx::nontransaction	work(db);

		db.prepare(name, "select " + std::to_string(i) + " + $1::int");
		work.exec_prepared(name, i);
	}
}

static void
transactions()
{
	pqxx::connection	db(url);

	{
		pqxx::work	work(db);

		work.exec0("insert into account values (100, 1)");
		tell("transaction", error_of([&] {
			pqxx::subtransaction	inner(work, "inner");

			inner.exec0("insert into account values (100, 2)");
		}));
		pqxx::subtransaction	second(work, "second");

		second.exec0("set local search_path = other_schema");
		tell("transaction", one(second, "select name from product"));
		second.commit();
		work.commit();
	}
	tell("transaction", error_of([&] {
		pqxx::work	work(db);

		work.exec0("delete from account");
		work.exec("select 1 / 0");
	}));
	{
		pqxx::transaction<pqxx::serializable, pqxx::read_only>
				work(db);

		tell("transaction", one(work, "show transaction_isolation"),
		    one(work, "select count(*) from account"));
		tell("transaction", error_of([&] {
			work.exec0("delete from account");
		}));
	}
	{
		pqxx::work	work(db);
		pqxx::pipeline	pipe(work);
		std::vector<pqxx::pipeline::query_id>	ids;

		for (int i = 0; i < 10; i++)
			ids.push_back(pipe.insert("select " +
			    std::to_string(i)));
		for (auto id : ids)
			tell("pipeline", pipe.retrieve(id)[0][0].as<int>());
	}
}

static void
streams()
{
	pqxx::connection	db(url);
	pqxx::work		work(db);
	pqxx::stream_to		out(work, "item",
				    std::vector<std::string>{ "id", "name" });

	for (int i = 10; i < 3000; i++)
		out << std::make_tuple(i, "name " + std::to_string(i));
	out.complete();
	tell("copy", one(work, "select count(*) from item"));
	{
		pqxx::stream_from	in(work, "item",
		    std::vector<std::string>{ "id", "name" });
		std::string		line;
		size_t			bytes = 0;

		while (in.get_raw_line(line))
			bytes += line.size();
		tell("copy", bytes);
	}
	pqxx::stateless_cursor<pqxx::cursor_base::read_only,
	    pqxx::cursor_base::owned>	cursor(work,
	    "select generate_series(1, 30)", "mine", false);
	tell("cursor", cursor.size(), cursor.retrieve(7, 9)[1][0].as<int>());
	work.commit();

	pqxx::work		again(db);
	pqxx::largeobjectaccess	large(again);

	large.write(std::string("large object"));
	large.seek(6, std::ios::beg);
	char			text[7] = "";

	tell("large object", large.read(text, 6), text);
	large.remove(again);
	again.commit();
}

class listener : public pqxx::notification_receiver {
public:
	int	heard = 0;

	using pqxx::notification_receiver::notification_receiver;
	void
	operator()(const std::string &payload, int pid) override
	{
		tell("notify", channel(), payload, heard++ > 0 ||
		    pid == conn().backendpid());
	}
};

static void
notifications()
{
	pqxx::connection	db(url), teller(url);
	listener		ear(db, "news");

	{
		pqxx::work	work(db);

		work.exec0("notify news, 'from myself'");
		work.commit();
	}
	for (int i = 0; i < 3; i++) {
		pqxx::work	work(teller);

		work.exec0("notify news, 'news " + std::to_string(i) + "'");
		work.commit();
	}
	while (ear.heard < 4 && db.await_notification(20, 0) > 0)
		;
}

static void
cancels()
{
	pqxx::connection	db(url), watcher(url);
	std::thread		thread([&] {
		pqxx::nontransaction	work(watcher);

		while (one(work, "select count(*) from sleeper") == "0")
			;
		db.cancel_query();
	});

	tell("cancel", error_of([&] {
		pqxx::nontransaction	work(db);

		work.exec("select nap(60)");
	}));
	thread.join();
	pqxx::nontransaction	work(db);
	tell("cancel", one(work, "select 'after'"));
}

static void
crowd()
{
	int				clients = std::atoi(
					    std::getenv("STORY_CLIENTS"));
	std::vector<std::set<std::string>>	seen(clients);
	std::vector<std::thread>	threads;

	for (int i = 0; i < clients; i++)
		threads.emplace_back([&, i] {
			pqxx::connection	db(url);
			const char		*paths[] = {
			    "naytife_schema, public", "other_schema, public",
			    "public" };

			db.set_variable("search_path", paths[i % 3]);
			db.prepare("mine", "select name from product");
			for (int turn = 0; turn < 10; turn++) {
				pqxx::perform([&] {
					pqxx::work	work(db);

					seen[i].insert(work.exec_prepared1(
					    "mine")[0].c_str());
					work.exec_params0("update account set "
					    "balance = balance + 1 where "
					    "id = $1", i + 1);
					work.commit();
				});
				seen[i].insert(error_of([&] {
					pqxx::work	work(db);

					work.exec("select 1 / 0");
				}));
			}
			pqxx::nontransaction	work(db);
			seen[i].insert(one(work, "select balance from account "
			    "where id = " + std::to_string(i + 1)));
		});
	for (auto &thread : threads)
		thread.join();
	for (int i = 0; i < clients; i++) {
		std::string	line;

		for (const auto &text : seen[i])
			line += text + ", ";
		tell("crowd " + std::to_string(i), line);
	}
}

int
main()
{
	urls();
	prepared();
	transactions();
	streams();
	notifications();
	cancels();
	crowd();
	return 0;
}
