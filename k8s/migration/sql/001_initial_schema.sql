create table users (
	id bigint generated always as identity primary key,
	username varchar(50) unique not null,
	email varchar(255) unique not null,
	created_at timestamptz not null default now()
);
