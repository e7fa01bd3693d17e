#include "resolver/base/folder.h"

#include <fcntl.h>
#include <unistd.h>

void folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}
