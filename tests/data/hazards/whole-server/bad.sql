CREATE ROLE hazard_example;
