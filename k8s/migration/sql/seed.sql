-- Runs every time: what is there stays.
insert into users (username, email) values ('demo', 'demo@example.com')
on conflict do nothing;
