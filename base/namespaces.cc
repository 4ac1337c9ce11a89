#include "base/namespaces.hh"

#include <string>

#include <sched.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"

namespace pleat {

void become_root_of_user_namespace() {
    // Asked before: inside, both are "nobody" until the maps are written.
    const std::string user = std::to_string(::geteuid());
    const std::string group = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER) != 0) {
        throw MissingFeature{
            "this user may not make a user namespace: " + std::system_category().message(errno) +
            ". Run as root, or see 'pleat doctor'"};
    }
    // setgroups must go before an ordinary user may map a group.
    for (const auto& [file, content] :
         {std::pair{"setgroups", std::string{"deny"}}, std::pair{"uid_map", "0 " + user + " 1"},
          std::pair{"gid_map", "0 " + group + " 1"}}) {
        if (const auto error = write_existing(std::string{"/proc/self/"} + file, content)) {
            throw MissingFeature{"cannot become root of a user namespace: " + error->message +
                                 ". See 'pleat doctor'"};
        }
    }
}

}  // namespace pleat
