/* Folders on the disk. From any thread. */
#ifndef RESOLVER_BASE_FOLDER_H
#define RESOLVER_BASE_FOLDER_H

/* What was renamed or removed in the folder is so after a power cut, too. A folder that is not
 * there or cannot be opened is left alone: what stands in it is as durable as before. */
void folder_sync(const char *path);

#endif
