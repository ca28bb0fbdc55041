"""`helm test`: puts, gets and deletes an object in the bucket of the runs."""

import os

from selfalign.storage.open import open_store

store = open_store(os.environ["SELFALIGN_STORE"])
store.check_writable()
print(f"{store.url}: put, get and delete work")
