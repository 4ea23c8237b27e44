# Read by the official image's entry point on the first start of an empty data folder: the three accounts.
docker_process_sql </secrets/mysql/accounts.sql
