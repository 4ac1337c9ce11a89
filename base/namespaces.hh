// Namespaces: what a process of ours does to itself to work without root.
#pragma once

namespace pleat {

// An ordinary user's process becomes root of a user namespace of its own, where it may
// make network namespaces; nothing changes on the machine. To be called while there is
// one thread. Throws MissingFeature that names `pleat doctor` when this is not permitted.
void become_root_of_user_namespace();

}  // namespace pleat
