# What people type. Everything is in scripts/, and says in one sentence what is missing.
#   make up [HOSTS=simulated] [INSTANCE=tour]     make down [INSTANCE=tour]
HOSTS ?= real
INSTANCE ?= tour
target := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help up down test bench packages build

help:
	@echo 'make up        packages, build, an instance named "tour", a guided tour through it (HOSTS=simulated INSTANCE=tour)'
	@echo 'make down      processes, guests, networks and state of the instance are gone (INSTANCE=tour)'
	@echo 'make test      unit tests, then what needs root, PostgreSQL, guests and the real OpenStack client'
	@echo 'make bench     measurements of the parts'
	@echo 'make build     the release binaries, in $(target)/release'
	@echo 'make packages  the Debian packages that up and test need'

up:
	@scripts/up $(INSTANCE) $(HOSTS)

down:
	@scripts/down $(INSTANCE)

test:
	@scripts/test

build:
	@scripts/build

packages:
	@scripts/packages build client guests test

bench:
	@scripts/bench
