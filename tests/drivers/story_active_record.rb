# The story of Active Record with its prepared statements: migrations behind
# its advisory lock, from several processes at once; models, transactions with
# savepoints, row locks, a schema search path of its own, LISTEN as Action
# Cable does it; a crowd of threads.

require "active_record"
require "uri"

CLIENTS = ENV["STORY_CLIENTS"].to_i
OURS = {
  adapter: "postgresql", host: ENV["PGHOST"], port: ENV["PGPORT"],
  username: ENV["PGUSER"], password: ENV["PGPASSWORD"],
  database: ENV["PGDATABASE"], pool: CLIENTS + 2,
  variables: { statement_timeout: "60s", "app.made": "by rails" }
}.freeze
ActiveRecord::Base.establish_connection(OURS)
ActiveRecord::Migration.verbose = false
ActiveRecord::Base.default_timezone = :utc

class Nest < ActiveRecord::Base
  establish_connection(OURS.merge(
    schema_search_path: "naytife_schema,public"))
  self.abstract_class = true
end

class Product < Nest
  self.table_name = "product"
end

class Owner < ActiveRecord::Base
  has_many :things, dependent: :destroy
  validates :name, uniqueness: true
end

class Thing < ActiveRecord::Base
  belongs_to :owner, counter_cache: true
end

class MakeOwners < ActiveRecord::Migration[6.1]
  def change
    create_table :owners do |t|
      t.string :name, index: { unique: true }
      t.jsonb :doc, default: {}
      t.text :tags, array: true, default: []
      t.decimal :money, precision: 10, scale: 2
      t.integer :things_count, default: 0
      t.integer :lock_version, default: 0
      t.column :at, :timestamptz
      t.inet :address
      t.int4range :span
    end
  end
end

class MakeThings < ActiveRecord::Migration[6.1]
  def change
    create_table :things do |t|
      t.references :owner, foreign_key: true
      t.string :name
    end
    reversible do |way|
      way.up { execute "select set_config('app.made', 'migration', false)" }
    end
  end
end

class IndexThings < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!
  def change
    add_index :things, :name, algorithm: :concurrently
  end
end

class Breaks < ActiveRecord::Migration[6.1]
  def up
    add_column :things, :gone, :text
    execute "select 1 / 0"
  end
end

STEPS = [MakeOwners, MakeThings, IndexThings, Breaks].freeze

def tell(subject, *what)
  puts "#{subject}: #{what.map(&:inspect).join(' ')}"
  $stdout.flush
end

def error_of
  yield
  "no error"
rescue ActiveRecord::ActiveRecordError => e
  cause = e
  cause = cause.cause while cause.cause && !cause.respond_to?(:result)
  state = cause.respond_to?(:result) && cause.result &&
    cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE)
  "#{state} #{e.class}"
end

def one(text)
  ActiveRecord::Base.connection.select_value(text)
end

def migrator(count, direction = :up, target = nil)
  migrations = STEPS.first(count).each_with_index.map do |step, i|
    step.new(step.name, i + 1)
  end
  ActiveRecord::Migrator.new(direction, migrations,
    ActiveRecord::SchemaMigration, target)
end

def migrate
  ActiveRecord::SchemaMigration.create_table
  ActiveRecord::InternalMetadata.create_table
  # Of those that begin at once, one has the lock; the other is told so.  Both
  # are tied to a server while they ask, see max_pinned.
  said = Array.new(2) do
    Thread.new do
      migrator(3).migrate
      "done"
    rescue ActiveRecord::ConcurrentMigrationError
      "another"
    ensure
      ActiveRecord::Base.clear_active_connections!
    end
  end.map(&:value)
  tell "migrate", said.include?("done"), (said - %w[done another])
  tell "migrate", begin
    migrator(4).migrate
  rescue StandardError => e
    e.message[/division by zero/]
  end
  base = ActiveRecord::Base.connection
  tell "migrate", base.select_values(
    "select version from schema_migrations order by 1"),
    base.columns("things").map { |c| [c.name, c.sql_type] },
    base.indexes("things").map(&:name).sort
  migrator(3, :down, 2).migrate
  migrator(3).migrate
  tell "migrate", base.data_source_exists?("things"), one(
    "select count(*) from pg_locks where locktype = 'advisory' and database" \
    " = (select oid from pg_database where datname = current_database())")
  [Owner, Thing].each(&:reset_column_information)
end

def rows
  owner = Owner.create!(name: "one ü", doc: { k: [1, nil] },
    tags: ["a", 'b"'], money: "1.50", at: Time.at(0), address: "10.0.0.1",
    span: 1..4)
  owner.things.create!([{ name: "x" }, { name: "y" }])
  tell "create", owner.reload.attributes.except("id"), Owner.create(
    name: "one ü").errors.full_messages
  tell "create", error_of { Owner.insert!({ name: "one ü" }) }
  tell "create", Owner.upsert_all(
    [{ name: "one ü" }, { name: "two" }], unique_by: :name).rows.length
  tell "find", Owner.includes(:things).where("doc->'k' @> '1'").map { |o|
    o.things.map(&:name).sort }
  tell "find", Owner.joins(:things).group(:name).count,
    Owner.where(name: %w[two three]).pluck(:name), Owner.find_by(
      name: "two").things.exists?
  Thing.insert_all(Array.new(300) { |i| { name: "thing #{i}" } })
  seen = 0
  Thing.in_batches(of: 70) { |some| seen += some.pluck(:name).length }
  tell "batches", seen
  stale = Owner.find(owner.id)
  owner.update!(name: "changed")
  tell "stale", error_of { stale.update!(name: "late") }
  tell "settings", one("show statement_timeout"), one(
    "show intervalstyle"), one("show timezone"), one("show client_min_messages"),
    one("select current_setting('app.made')")
  tell "path", Product.find(1).name, Product.connection.schema_search_path,
    one("select name from product where id = 1")
end

def transactions
  Owner.transaction do
    Owner.insert!({ name: "outer" })
    inner = error_of do
      Owner.transaction(requires_new: true) do
        Owner.insert!({ name: "inner" })
        Owner.insert!({ name: "outer" })
      end
    end
    tell "transaction", inner, Owner.where("name like '%er'").pluck(:name)
    tell "lock", Owner.lock("for update skip locked").find_by(
      name: "outer").name
  end
  Owner.transaction { Thing.delete_all; raise ActiveRecord::Rollback }
  tell "transaction", Thing.count
  Owner.transaction(isolation: :serializable) do
    tell "transaction", one("show transaction_isolation")
  end
  tell "transaction", error_of { one("select 1 / 0") }, error_of {
    Owner.connection.exec_query("select $1::int / 0", "x", [[nil, 1]],
      prepare: true) }
end

# A table that changes under Active Record's own prepared statements.
def changing
  tell "changing", Owner.find_by(name: "two").name
  Owner.connection.execute("alter table owners add extra text default 'e'")
  tell "changing", Owner.find_by(name: "two").attributes["extra"]
  tell "changing", error_of { Owner.transaction {
    Owner.find_by(name: "two").name } }
  Owner.reset_column_information
  tell "changing", Owner.find_by(name: "two").extra
end

# As Action Cable's adapter: a connection of its own that waits.
def listen
  pool = ActiveRecord::Base.connection_pool
  heard = Queue.new
  ready = Queue.new
  listener = Thread.new do
    pool.with_connection do |connection|
      raw = connection.raw_connection
      raw.exec("listen cable")
      ready << 1
      got = nil
      until got == "end"
        raw.wait_for_notify(1) { |_, _, text| heard << got = text }
      end
      raw.exec("unlisten cable")
    end
  end
  ready.pop
  Owner.transaction { one("select pg_notify('cable', 'ü')") }
  Owner.transaction do
    one("select pg_notify('cable', 'never')")
    raise ActiveRecord::Rollback
  end
  one("select pg_notify('cable', 'end')")
  listener.join
  tell "listen", Array.new(heard.size) { heard.pop }
end

def work(number)
  lines = []
  5.times do |turn|
    Owner.transaction do
      owner = Owner.create!(name: "#{number} #{turn}")
      owner.things.create!(name: "t")
      lines << owner.reload.things_count
    end
    lines << error_of { one("select 1 / 0") }
    Owner.find_by!(name: "#{number} #{turn}").with_lock do
      lines << Owner.where(name: "#{number} #{turn}").update_all(money: turn)
    end
    lines << Product.find(1).name
  end
  lines
ensure
  ActiveRecord::Base.clear_active_connections!
  Nest.clear_active_connections!
end

def crowd
  seen = Array.new(CLIENTS) { |i| Thread.new { work(i) } }.map(&:value)
  seen.each_with_index { |lines, i| tell "crowd #{i}", *lines }
  tell "crowd", Owner.count, Thing.count
end

migrate
rows
transactions
changing
listen
crowd
ActiveRecord::Base.clear_all_connections!
