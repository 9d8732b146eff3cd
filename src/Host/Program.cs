using Hearth.Host.CommandLine;
using Hearth.Host.Service;

return await HearthCommand.RunAsync(args, CommandEnvironment.OfProcess(ModelLoading.LoadAsync));
