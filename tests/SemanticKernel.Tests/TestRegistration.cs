using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel.Tests;

internal static class TestRegistration
{
    public static void AddSingletonChat(this IServiceCollection services, IChatCompletionService service) => services.AddSingleton(service);
}
