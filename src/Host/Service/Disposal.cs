namespace Hearth.Host.Service;

internal static class Disposal
{
    /// <summary>Frees a model's memory; fakes and wrappers need none.</summary>
    public static async ValueTask DisposeModelAsync(this IModel model)
    {
        if (model is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
    }
}
