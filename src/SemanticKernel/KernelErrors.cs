using System.Runtime.CompilerServices;
using Hearth.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel;

/// <summary>A service's failures as Semantic Kernel knows them.</summary>
internal static class KernelErrors
{
    /// <summary>The same, but for a service's failures, which become <see cref="HttpOperationException"/>s.</summary>
    public static async IAsyncEnumerable<T> WithKernelErrors<T>(this IAsyncEnumerable<T> updates, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await using var each = updates.GetAsyncEnumerator(cancellationToken);
        while (await MoveAsync(each).ConfigureAwait(false))
            yield return each.Current;
    }

    private static async ValueTask<bool> MoveAsync<T>(IAsyncEnumerator<T> each)
    {
        try
        {
            return await each.MoveNextAsync().ConfigureAwait(false);
        }
        catch (HearthServiceException exception)
        {
            throw new HttpOperationException(exception.StatusCode, exception.ResponseBody, exception.Message, exception);
        }
    }
}
