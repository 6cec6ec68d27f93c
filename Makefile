# Short names for those who have make; nothing here is needed.
.PHONY: demo test quick check lock

demo:            ## a town, a day of swaps, a checked proof
	python3 bootstrap.py demo

test:            ## the whole test suite
	python3 bootstrap.py test

quick:           ## what runs in a minute
	python3 bootstrap.py test -m "not slow and not e2e and not tool and not postgres"

check:           ## what a change must pass: the suite, the linters, the coverage floors
	.ci/run

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	--exclude-newer "1 week"

lock:            ## new lock files (needs uv)
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra postgres --extra hsm --extra pdf --group dev -o requirements/dev.txt
	$(COMPILE) --group bootstrap -o requirements/bootstrap.txt
	$(COMPILE) requirements/stripe_fake.in -o requirements/stripe_fake.txt
