# The story in ruby-pg's idiom: exec_params, named statements, asynchronous
# calls, pipelines, COPY with coders, notifications, type maps.
require 'pg'

URL = ENV['DATABASE_URL']
CLIENTS = ENV['STORY_CLIENTS'].to_i

def tell(subject, *what)
  puts "#{subject}: #{what.map { |w| w.is_a?(String) ? w : w.inspect }
                          .join(' ')}"
end

def connect(parameters = '')
  PG.connect(URL + parameters)
end

def one(db, sql, values = [])
  db.exec_params(sql, values).getvalue(0, 0)
end

def error_of
  yield
  'no error'
rescue PG::Error => e
  "#{e.class} #{e.respond_to?(:result) && e.result ?
    e.result.error_field(PG::PG_DIAG_SQLSTATE) : ''}"
end

def urls
  ['?sslmode=require&options=-csearch_path%3Dnaytife_schema',
   '?options=-c%20search_path%3Dother_schema%20-c%20statement_timeout%3D5s',
   '?application_name=x&connect_timeout=5&target_session_attrs=read-write',
   '?target_session_attrs=read-only', '?options=-c%20nosuch%3D1',
   "?sslmode=verify-full&sslrootcert=#{ENV['STORY_CA']}"]
    .each_with_index do |parameters, number|
    db = connect(parameters)
    tell "url #{number}", *%w[search_path statement_timeout application_name
                              TimeZone].map { |name| one(db, "show #{name}") },
         db.parameter_status('application_name'), db.ssl_in_use?
    db.reset
    tell "url #{number}", one(db, 'show search_path')
    db.close
  rescue PG::Error => e
    tell "url #{number}", e.message.sub(/.*failed: /m, '').strip
  end
end

def types
  db = connect
  db.type_map_for_queries = PG::BasicTypeMapForQueries.new(db)
  db.type_map_for_results = PG::BasicTypeMapForResults.new(db)
  [true, 7, 2**40, 1.5, 'ü', nil, [1, nil, 3], ['a', 'b"']].each do |value|
    result = db.exec_params('select $1 as v', [value])
    tell 'types', result[0]['v'], result.ftype(0)
  end
  db.type_map_for_queries = PG::TypeMapAllStrings.new
  db.type_map_for_results = PG::TypeMapAllStrings.new
  [0, 1].each do |format|
    result = db.exec_params('select $1::int4, $2::bytea, $3::text',
                            [{ value: [7].pack('N'), format: 1 },
                             { value: "\0\xff".b, format: 1 }, nil], format)
    tell 'types', result.values
  end
  tell 'types', db.exec("insert into item (id, name, tags) values
    (1, 'one', '{a,b}') returning id, name, tags").first
  db.close
end

def prepared
  db = connect
  db.prepare('by_id', 'select name from product where id = $1')
  %w[naytife_schema other_schema public].each do |path|
    db.exec("set search_path = #{path}")
    3.times { tell 'prepared', db.exec_prepared('by_id', [1]).values }
  end
  described = db.describe_prepared('by_id')
  tell 'prepared', described.nparams, described.paramtype(0), described.fname(0)
  tell 'prepared', error_of { db.prepare('by_id', 'select 1') }
  tell 'prepared', error_of { db.exec_prepared('nosuch', []) }
  # As Rails does it.
  db.exec('DEALLOCATE by_id')
  tell 'prepared', error_of { db.exec_prepared('by_id', [1]) }
  db.prepare('by_id', 'select 2 as two')
  tell 'prepared', db.exec_prepared('by_id').values
  db.exec('DEALLOCATE ALL')
  tell 'prepared', error_of { db.exec_prepared('by_id') }
  50.times do |i|
    db.prepare("a#{i}", "select #{i} + $1::int")
    db.exec_prepared("a#{i}", [i])
  end
  tell 'prepared', db.exec_prepared('a7', [7]).values
  db.close
end

def pipelines
  db = connect
  db.enter_pipeline_mode
  5.times { |i| db.send_query_params('select $1::int', [i]) }
  db.send_query_params('select 1 / $1::int', [0])
  db.send_query_params("select 'skipped'", [])
  db.pipeline_sync
  db.send_query_params("select 'next'", [])
  db.pipeline_sync
  2.times do
    loop do
      begin
        result = db.get_result
        next if result.nil?
        tell 'pipeline', result.res_status(result.result_status),
             result.values
        result.check
      rescue PG::Error => e
        tell 'pipeline', e.class.to_s
      end
      break if result && result.result_status == PG::PGRES_PIPELINE_SYNC
    end
  end
  db.exit_pipeline_mode
  db.close
end

def transactions
  db = connect
  notices = []
  db.set_notice_processor { |text| notices << text.strip }
  db.transaction do |tx|
    tx.exec('insert into account values (100, 1)')
    tx.exec('savepoint a')
    tell 'transaction', error_of { tx.exec_params(
      'insert into account values ($1, 2)', [100]) }
    tell 'transaction', error_of { tx.exec('select 1') },
         tx.transaction_status == PG::PQTRANS_INERROR
    tx.exec('rollback to a')
    tx.exec('set local search_path = other_schema')
    tell 'transaction', one(tx, 'select name from product')
  end
  tell 'transaction', one(db, 'select balance from account where id = 100')
  tell 'transaction', (error_of do
    db.transaction do |tx|
      tx.exec('delete from account')
      tx.exec('select 1 / 0')
    end
  end), one(db, 'select count(*) from account')
  db.exec("select complain('x')")
  db.exec('call pay(1, 2, 10)')
  tell 'transaction', notices, db.exec('select 1; select 2').values
  db.close
end

def copies
  db = connect
  coder = PG::TextEncoder::CopyRow.new
  db.copy_data('copy item (id, name) from stdin', coder) do
    (10...3000).each { |i| db.put_copy_data([i, "name #{i}"]) }
  end
  bytes = 0
  db.copy_data('copy item (id, name) to stdout') do
    while (row = db.get_copy_data)
      bytes += row.size
    end
  end
  tell 'copy', bytes
  tell 'copy', (error_of do
    db.copy_data('copy item (id, name) from stdin', coder) do
      db.put_copy_data([10, 'again'])
    end
  end)
  tell 'copy', (begin
    db.copy_data('copy item (id, name) from stdin', coder) do
      db.put_copy_data([9999, 'never'])
      raise 'changed my mind'
    end
  rescue RuntimeError => e
    e.message
  end), one(db, 'select count(*) from item')
  db.close
end

def cursors
  db = connect
  db.send_query('select generate_series(1, 10)')
  db.set_single_row_mode
  seen = []
  db.get_result.stream_each { |row| seen << row.values[0] }
  tell 'cursor', seen
  db.transaction do |tx|
    tx.exec('declare c cursor for select generate_series(1, 30)')
    tell 'cursor', tx.exec('fetch 7 from c').values.flatten
    tx.exec('close c')
    oid = tx.lo_creat
    fd = tx.lo_open(oid, PG::INV_READ | PG::INV_WRITE)
    tx.lo_write(fd, 'large object ' * 1000)
    tx.lo_lseek(fd, 6, PG::SEEK_SET)
    tell 'large object', tx.lo_read(fd, 6), tx.lo_tell(fd)
    tx.lo_close(fd)
    tx.lo_unlink(oid)
  end
  db.close
end

def notifications
  listener = connect
  teller = connect
  listener.exec('listen news')
  listener.exec("notify news, 'from myself'")
  note = listener.notifies
  tell 'notify', note[:relname], note[:extra],
       note[:be_pid] == listener.backend_pid
  3.times { |i| teller.exec_params("select pg_notify('news', $1)", ["news #{i}"]) }
  3.times do
    listener.wait_for_notify(20) { |name, _, text| tell 'notify', name, text }
  end
  listener.exec('unlisten *')
  listener.close
  teller.close
end

def cancels
  db = connect
  watcher = connect
  db.send_query('select nap(60)')
  until one(watcher, 'select count(*) from sleeper') == '1'
  end
  tell 'cancel', db.cancel
  tell 'cancel', error_of { db.get_last_result }, one(db, 'select 1')
  db.close
  watcher.close
end

def sessions
  db = connect
  other = connect
  db.exec("create temp table mine as select 1 as a; set work_mem = '9MB'")
  db.exec('select pg_advisory_lock(42)')
  tell 'session', one(db, 'select a from mine'), one(db, 'show work_mem'),
       one(other, 'show work_mem'),
       one(other, 'select pg_try_advisory_lock(42)'),
       error_of { other.exec('select a from mine') }
  db.exec('DISCARD ALL')
  tell 'session', one(db, 'show work_mem'),
       one(other, 'select pg_try_advisory_lock(42)'),
       error_of { db.exec('select a from mine') }
  db.set_client_encoding('LATIN1')
  tell 'session', one(db, 'show client_encoding'), db.internal_encoding.to_s
  # What Active Record says to a new connection, and again after a reset.
  ['SET client_min_messages TO warning',
   'SET standard_conforming_strings = on',
   "SET SESSION timezone TO 'UTC'",
   "SET SESSION statement_timeout TO '5s'"].each { |sql| db.exec(sql) }
  db.reset
  tell 'session', one(db, 'show statement_timeout')
  db.close
  other.close
end

def crowd
  threads = Array.new(CLIENTS) do |number|
    Thread.new do
      lines = []
      db = connect("?application_name=crowd-#{number}")
      db.exec("set search_path = #{%w[naytife_schema other_schema
                                      public][number % 3]}, public")
      db.prepare('mine', "select name, current_setting('application_name')
        from product where id = $1")
      8.times do
        lines << db.exec_prepared('mine', [1]).values.flatten
        db.transaction do |tx|
          tx.exec_params('update account set balance = balance + 1
            where id = $1', [number + 1])
        end
        lines << error_of { db.exec('select 1 / 0') }
      end
      lines << one(db, "select balance from account where id = #{number + 1}")
      db.close
      lines.uniq
    end
  end
  threads.each_with_index { |t, number| tell "crowd #{number}", t.value }
end

%i[urls types prepared pipelines transactions copies cursors notifications
   cancels sessions crowd].each { |chapter| send(chapter) }
