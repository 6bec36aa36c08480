alter table users add column country_code char(2) not null default 'US'
	check (country_code ~ '^[A-Z]{2}$');
