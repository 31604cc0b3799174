CREATE TABLE this_name_fits (id int);
