"""Finds tempest's tests, with one thing of tempest turned off: that the classes of tests for administrators make their
own accounts with the administrator's. It would give the role `reader` in system scope, and make projects in the
administrator's domain, whoever that is; here, as everywhere else, they take the accounts of the list that
tests/tempest.py has made. What the tests ask and expect stays as it is."""

from tempest.api.identity import base
from tempest.test_discover.test_discover import load_tests  # noqa: F401

base.BaseIdentityV3AdminTest.force_tenant_isolation = False
