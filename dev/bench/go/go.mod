module resourcepolicy.bench/client

go 1.26.0
